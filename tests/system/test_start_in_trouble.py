"""A collector that is started while something is wrong takes events all the same, or as soon as it can, without hands."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.proxy import Mood, Proxy
from tests.chaos.stage import until
from tests.clickhouse_server import ClickHouseServer, free_port
from tests.processes import CollectorProcess
from tests.system.ledger import metrics, wait_until_loaded
from tests.system.senders import HEADERS, batch, event

Start = Callable[..., CollectorProcess]


@pytest.fixture
def server(clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[ClickHouseServer]:
    del clickhouse_server  # asked for only to learn whether one can run here
    with ClickHouseServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[CollectorProcess] = []

    def start(dsn: str, *options: str, until_ready: bool = True) -> CollectorProcess:
        started.append(CollectorProcess(tmp_path / "data", dsn, *options))
        return started[-1].start(until_ready=until_ready)

    yield start
    for process in started:
        process.kill()


def test_clickhouse_takes_connections_and_does_not_answer(server: ClickHouseServer, start: Start) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        collector = start(server.dsn())
        assert collector.send(event(name="early"))["accepted"] == 1
        assert "does not answer yet" in collector.log()
    finally:
        os.kill(server.pid, signal.SIGCONT)

    wait_until_loaded(collector)
    assert collector.sql("SELECT name FROM events") == [["early"]]


def test_clickhouse_comes_back_and_belongs_to_another_contact_key(
    server: ClickHouseServer, start: Start, tmp_path: Path
) -> None:
    first = CollectorProcess(tmp_path / "first", server.dsn()).start()
    first.kill()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        collector = start(server.dsn())
        assert collector.send(event(name="early"))["accepted"] == 1
    finally:
        os.kill(server.pid, signal.SIGCONT)
    until(lambda: "under another key" in collector.log(), "the collector says so")
    collector.kill()

    (collector.data / "contact.key").write_bytes((first.data / "contact.key").read_bytes())
    collector.start()
    wait_until_loaded(collector)
    assert collector.sql("SELECT name FROM events") == [["early"]]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"max_memory_usage": "1"}, "memory_limit_exceeded"), ({"readonly": "1"}, "readonly")],
)
def test_clickhouse_refuses(
    server: ClickHouseServer, start: Start, settings: dict[str, str], reason: str
) -> None:
    with Proxy(free_port(), server.http_port, seed=1) as proxy:
        proxy.become(Mood(settings))
        collector = start(f"clickhouse://127.0.0.1:{proxy.port}/stitchline")
        assert collector.send(event(name="early"))["accepted"] == 1
        retries = f'stitchline_load_retries_total{{reason="{reason}"}}'
        until(lambda: metrics(collector).get(retries), f"{retries} grows")
        assert collector.log().count("ClickHouse cannot be used, events are kept on disk until it can") == 1

        proxy.become()
        wait_until_loaded(collector)
        assert collector.sql("SELECT name FROM events") == [["early"]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system on which a new folder takes space, as on most disks; only root can mount one."""
    disk, image = tmp_path / "disk", tmp_path / "image"
    disk.mkdir()
    image.write_bytes(bytes(4 * 1024 * 1024))
    for command in (
        ["mkfs.ext4", "-q", "-m", "0", str(image)],
        ["mount", "-o", "loop", str(image), str(disk)],
    ):
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except FileNotFoundError as missing:
            pytest.skip(str(missing))
        if done.returncode:
            pytest.skip(f"no small file system here: {done.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        for size in (65_536, 1024, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                pass


def test_a_full_disk(server: ClickHouseServer, start: Start, small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool").symlink_to(small_disk)
    collector = start(server.dsn())
    until(lambda: collector.request("POST", "/v1/sql", b"SELECT 1")[0] == 200, "ClickHouse is open")
    server.kill()
    collector.send(event(name="kept"))
    collector.kill()
    fill(small_disk)
    server.start()

    collector.start(until_ready=False)
    until(lambda: "the spool cannot be written, answering 503" in collector.log(), "it says what is wrong")
    wait_until_answers(collector)
    wait_until_loaded(collector)  # what was kept is loaded, which on this disk is not enough to go on
    assert collector.sql("SELECT name FROM events") == [["kept"]]
    assert metrics(collector)['stitchline_spool_faults_total{reason="disk_full"}'] > 0

    (small_disk / "ballast").unlink()
    until(lambda: collector.request("GET", "/health/ready")[0] == 200, "ready by itself")
    assert collector.send(event(name="again"))["accepted"] == 1


def test_a_disk_on_which_no_worker_can_make_its_folder(
    server: ClickHouseServer, start: Start, small_disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool").symlink_to(small_disk)
    fill(small_disk)
    collector = start(server.dsn(), "--workers", "2", until_ready=False)
    wait_until_answers(collector)
    for _ in range(8):  # whichever worker is asked
        assert collector.request("POST", "/v1/events", batch(event()), HEADERS)[0] == 503
    until(lambda: collector.request("POST", "/v1/sql", b"SELECT 1")[0] == 200, "ClickHouse is open")
    until(lambda: metrics(collector)["stitchline_ready"] == 0, "not ready")
    assert metrics(collector)['stitchline_spool_faults_total{reason="disk_full"}'] > 0

    (small_disk / "ballast").unlink()
    until(lambda: metrics(collector)["stitchline_ready"] == 1, "ready by itself")
    for _ in range(8):
        assert collector.send(event())["accepted"] == 1
    wait_until_loaded(collector)
    assert collector.sql("SELECT count() FROM events") == [[8]]
    assert metrics(collector)['stitchline_requests_total{status="503"}'] == 8
    assert [path for path in small_disk.iterdir() if path.name.startswith(".") and path.is_dir()] == []


def wait_until_answers(collector: CollectorProcess) -> None:
    def answers() -> bool:
        try:
            return collector.request("GET", "/health/live")[0] == 200
        except OSError:
            return False

    until(answers, "the collector answers")
