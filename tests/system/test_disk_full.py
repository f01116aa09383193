"""A disk that is full: 503, nothing acknowledged is lost, and it goes on by itself once there is space."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clickhouse_server import ClickHouseServer
from tests.processes import CollectorProcess
from tests.system.ledger import check_exactly_once, metrics, prepare, wait_until_loaded
from tests.system.senders import HEADERS, Crowd, batch, event


def noise() -> str:
    return os.urandom(4000).hex()


@pytest.fixture
def server(clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[ClickHouseServer]:
    del clickhouse_server  # asked for only to learn whether one can run here
    with ClickHouseServer(tmp_path / "server") as server:
        prepare(server.dsn())
        yield server


def fill(collector: CollectorProcess, acknowledged: list[str]) -> bytes:
    """Send until the answer is not 200, and return that answer."""
    for _ in range(2000):
        sent = event(properties={"noise": noise()})
        status, headers, answer = collector.request("POST", "/v1/events", batch(sent), HEADERS)
        if status != 200:
            assert status == 503
            assert int(headers["Retry-After"]) > 0
            return answer
        acknowledged.append(sent["event_id"])
    pytest.fail("it was never full")


def check_loaded(collector: CollectorProcess, acknowledged: list[str]) -> None:
    wait_until_loaded(collector)
    stored = {row[0] for row in collector.sql("SELECT toString(event_id) FROM events")}
    assert stored == set(acknowledged)
    assert collector.sql("SELECT count() FROM audit") == [[len(acknowledged)]]


def ready_again(collector: CollectorProcess) -> None:
    deadline = time.monotonic() + 30
    while collector.request("GET", "/health/ready")[0] != 200:
        assert time.monotonic() < deadline, collector.request("GET", "/health/ready")
        time.sleep(0.05)


def test_a_spool_at_its_limit_answers_503_until_clickhouse_is_back(
    server: ClickHouseServer, tmp_path: Path
) -> None:
    collector = CollectorProcess(
        tmp_path / "data", server.dsn(), env={"STITCHLINE_MAX_SPOOL_BYTES": "200000"}
    )
    collector.start()
    try:
        server.kill()
        acknowledged: list[str] = []
        assert b"wait for ClickHouse" in fill(collector, acknowledged)
        assert json.loads(collector.request("GET", "/health/ready")[2])["why"] == "the spool is full"
        assert metrics(collector)["stitchline_ready"] == 0

        server.start()
        ready_again(collector)
        assert collector.send(event(event_id="00000000-0000-7000-8000-000000000001"))["accepted"] == 1
        check_loaded(collector, [*acknowledged, "00000000-0000-7000-8000-000000000001"])
        for words in ("the spool is full, answering 503", "the spool has room again"):
            assert collector.log().count(words) == 1
    finally:
        collector.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; only root can mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small file system here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture(params=[(), ("--workers", "2")], ids=["one process", "workers"])
def cramped(
    server: ClickHouseServer, small_disk: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[CollectorProcess]:
    """A collector whose spool lies on the small disk."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool").symlink_to(small_disk)
    collector = CollectorProcess(tmp_path / "data", server.dsn(), *request.param)
    yield collector.start()
    collector.kill()


def test_a_full_disk_answers_503_and_is_ready_again_once_clickhouse_has_taken_the_spool(
    server: ClickHouseServer, cramped: CollectorProcess
) -> None:
    server.kill()
    acknowledged: list[str] = []
    assert b"No space left on device" in fill(cramped, acknowledged)
    # Of several workers only those that tried know of it; which one answers is chance.
    _until(lambda: b"No space left" in cramped.request("GET", "/health/ready")[2])

    assert metrics(cramped)['stitchline_spool_faults_total{reason="disk_full"}'] > 0
    _until(lambda: metrics(cramped)["stitchline_ready"] == 0)

    server.start()
    ready_again(cramped)
    check_loaded(cramped, acknowledged)
    assert "the spool cannot be written, answering 503" in cramped.log()
    # The worker that found it full looks each second, while another was ready all the time.
    _until(lambda: "the spool can be written again" in cramped.log())


def test_kill_9_on_a_full_disk_loses_nothing_acknowledged(
    server: ClickHouseServer, cramped: CollectorProcess
) -> None:
    server.kill()
    acknowledged: list[str] = []
    fill(cramped, acknowledged)

    cramped.kill_all()
    server.start()
    cramped.start(until_ready=False)
    ready_again(_listening(cramped))
    check_loaded(cramped, acknowledged)


def _listening(collector: CollectorProcess) -> CollectorProcess:
    deadline = time.monotonic() + 60
    while True:
        try:
            collector.request("GET", "/health/live")
        except OSError:
            assert time.monotonic() < deadline, collector.log()
            time.sleep(0.05)
        else:
            return collector


def test_files_that_may_not_grow_answer_503_and_lose_nothing(
    dsn: str, collector: Callable[..., CollectorProcess]
) -> None:
    # Needs no root: the limit is put on the running process, as `ulimit -f` and quotas do.
    prepare(dsn)
    process = collector(env={"STITCHLINE_SEAL_AGE_S": "0.05"})
    with Crowd(process.port, connections=2) as crowd:
        _until_acknowledged(crowd, 200)
        _limit_files(process.pid, "4096")
        _until(lambda: crowd.statuses.get(503, 0) > 0)
        _limit_files(process.pid, "unlimited")
        ready_again(process)
        _until_acknowledged(crowd, len(crowd.acknowledged) + 200)
    assert set(crowd.statuses) == {200, 503}
    print(check_exactly_once(process, crowd))


def _limit_files(pid: int, size: str) -> None:
    subprocess.run(["prlimit", f"--fsize={size}:", "--pid", str(pid)], check=True)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _until_acknowledged(crowd: Crowd, count: int) -> None:
    _until(lambda: len(crowd.acknowledged) >= count)
