"""`serve --workers`: real processes, killed one after the other while real clients send."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path

import pytest

from stitchline import Client
from tests.clickhouse_server import free_port
from tests.processes import KEY, CollectorProcess, lives, processes
from tests.system.ledger import check_exactly_once, ids, metrics, prepare, wait_until_loaded
from tests.system.senders import Crowd, event

WITHIN_S = 90
TABLES = {"events": "accepted", "failed": "rejected"}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {WITHIN_S} s: {what}"
        time.sleep(0.05)


def kill(collector: CollectorProcess, name: str, crowd: Crowd | None = None) -> None:
    """kill -9 of one process; waits until another has its name, and until more was acknowledged."""
    pid = processes(collector)[name]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: processes(collector)[name] != pid, f"{name} is started again")
    if crowd:
        known = len(crowd.acknowledged)
        wait_for(lambda: len(crowd.acknowledged) > known + 500, "more is acknowledged")


def sums(collector: CollectorProcess) -> dict[str, tuple[float, float]]:
    """Both sides of the equation of /metrics, by kind."""
    found = metrics(collector)

    def rows(name: str, kind: str) -> float:
        return found[f'stitchline_rows_{name}{{kind="{kind}"}}']

    rejected = sum(
        value for name, value in found.items() if name.startswith("stitchline_events_rejected_total")
    )
    came = {"accepted": found["stitchline_events_accepted_total"], "rejected": rejected}
    return {
        kind: (
            came[kind] + rows("recovered_total", kind),
            sum(rows(name, kind) for name in ("loaded_total", "isolated_total", "spooled", "damaged_total")),
        )
        for kind in TABLES.values()
    }


def test_any_process_may_be_killed_and_what_was_acknowledged_is_there_once(
    dsn: str, collector: Callable[..., CollectorProcess]
) -> None:
    prepare(dsn)
    several = collector("--workers", "2", env={"STITCHLINE_SQL_MAX_ROWS": "100000000"})
    with Crowd(several.port, connections=6, events_per_batch=5) as crowd:
        for name in ("worker 1", "loader", "worker 2", "loader", "worker 1"):
            kill(several, name, crowd)
    wait_until_loaded(several)
    for kind, (came, went) in sums(several).items():
        assert came == went, (kind, metrics(several))
    assert sums(several)["accepted"][0] >= len(crowd.acknowledged)
    told = check_exactly_once(several, crowd)
    for process, kills in (("worker", 3), ("loader", 2)):
        counted = f'stitchline_process_restarts_total{{process="{process}",reason="died"}}'
        assert metrics(several)[counted] == kills

    with Crowd(several.port, connections=6, events_per_batch=5) as later:
        wait_for(lambda: len(later.acknowledged) > 500, "more is acknowledged")
        before = processes(several)
        several.kill()  # the parent alone
        wait_for(lambda: not any(lives(pid) for pid in before.values()), "its children end")
    several.start()
    print(told, check_exactly_once_of(several, crowd, later))


def check_exactly_once_of(collector: CollectorProcess, *crowds: Crowd) -> int:
    """Every acknowledged event of several crowds is there once; returns how many."""
    wait_until_loaded(collector)
    events, loaded = ids(collector, "events"), ids(collector, "audit")
    acknowledged = [one for crowd in crowds for one in crowd.acknowledged]
    assert [one for one in acknowledged if events[one] != 1] == []
    put_back = sum(int(count) for count in re.findall(r"(\d+) of \d+ rows of .* put back", collector.log()))
    assert sum(count - 1 for count in loaded.values()) <= put_back
    return len(acknowledged)


def test_an_app_does_not_notice_that_workers_are_killed(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2")
    lost: list[object] = []
    client = Client(several.url, KEY, on_drop=lost.append, flush_interval_s=0.01)
    sent = 0
    for name in ("worker 1", "worker 2", "worker 1", "worker 2"):
        for _ in range(50):
            client.track("x", {"n": sent})
            sent += 1
        kill(several, name)
    assert client.flush(timeout_s=WITHIN_S)
    client.close()

    assert lost == []
    several.sql_until("SELECT count(), uniqExact(properties.n) FROM events", [[sent, sent]], WITHIN_S)


@pytest.mark.parametrize("name", ["worker 1", "loader"])
def test_a_process_that_hangs_is_killed_and_started_again(
    collector: Callable[..., CollectorProcess], name: str
) -> None:
    several = collector("--workers", "2", env={"STITCHLINE_HANG_TIMEOUT_S": "5"})
    several.send(event())
    pid = processes(several)[name]
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: processes(several)[name] != pid, f"{name} is started again")
    assert f"{name}, process {pid}, hangs" in several.log()
    for _ in range(20):
        several.send(event())
    several.sql_until("SELECT count() FROM events", [[21]], WITHIN_S)
    counted = f'stitchline_process_restarts_total{{process="{name.split(maxsplit=1)[0]}",reason="hung"}}'
    assert metrics(several)[counted] >= 1  # more, where the machine itself stands still for so long


def test_a_worker_that_hangs_while_it_starts_is_started_again(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2", env={"STITCHLINE_HANG_TIMEOUT_S": "5"}, start=False)
    several.start(until_ready=False)
    wait_for(lambda: "worker 1" in processes(several), "worker 1 is there")
    pid = processes(several)["worker 1"]
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: processes(several)["worker 1"] != pid, "worker 1 is started again")
    assert f"worker 1, process {pid}, hangs" in several.log()
    several.send(event())
    several.sql_until("SELECT count() FROM events", [[1]], WITHIN_S)
    assert metrics(several)['stitchline_process_restarts_total{process="worker",reason="hung"}'] >= 1


def test_a_worker_that_is_killed_while_it_starts_is_started_again_and_counted(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2", start=False)
    several.start(until_ready=False)
    wait_for(lambda: "worker 1" in processes(several), "worker 1 is there")
    kill(several, "worker 1")
    several.send(event())
    several.sql_until("SELECT count() FROM events", [[1]], WITHIN_S)
    assert metrics(several)['stitchline_process_restarts_total{process="worker",reason="died"}'] == 1
    assert several.log().count("ended with -9") == 1


def test_workers_take_events_while_the_loader_stands_still(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2")
    loader = processes(several)["loader"]
    os.kill(loader, signal.SIGSTOP)
    try:
        for _ in range(20):
            several.send(event())
        status, _, answer = several.request("GET", "/health/ready")
        assert (status, json.loads(answer)["loading"]) == (200, "the loading process does not answer")
    finally:
        os.kill(loader, signal.SIGCONT)

    several.sql_until("SELECT count() FROM events", [[20]], WITHIN_S)


def test_what_is_damaged_before_the_loader_sees_it_is_counted(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2", env={"STITCHLINE_SEAL_AGE_S": "0.2"})
    spool = several.data / "spool"

    def sealed() -> list[Path]:
        return list(spool.glob("*/*-events.sealed"))

    def damage(segment: Path) -> None:
        segment.write_bytes(bytes(len(segment.read_bytes())))

    several.send(event())
    wait_until_loaded(several)
    os.kill(processes(several)["loader"], signal.SIGSTOP)
    for _ in range(2):
        before = len(sealed())
        several.send(*[event() for _ in range(3)])
        wait_for(lambda before=before: len(sealed()) > before, "a segment is sealed")  # type: ignore[misc]
    first, second = sealed()
    whole = first.read_bytes()
    damage(first)
    second.unlink()
    kill(several, "loader")  # what it had seen, nobody knows any more

    wait_until_loaded(several)
    several.send(event())
    wait_until_loaded(several)
    assert sums(several)["accepted"] == (8, 8)
    found = metrics(several)
    assert found['stitchline_rows_damaged_total{kind="accepted"}'] == 6
    assert several.log().count("were gone before they could be loaded") in (1, 2)  # of one folder or two

    first.with_name("0000009000-events.open").write_bytes(
        whole
    )  # as if its worker died before it counted them
    for name in ("worker 1", "worker 2"):
        kill(several, name)
    recovered = 'stitchline_rows_recovered_total{kind="accepted"}'
    wait_for(lambda: metrics(several).get(recovered) == 3, "they are recovered")
    wait_until_loaded(several)
    assert sums(several)["accepted"] == (11, 11)


def test_the_spools_limit_holds_for_all_workers_together(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2", env={"STITCHLINE_MAX_SPOOL_BYTES": "1000"})
    loader = processes(several)["loader"]
    os.kill(loader, signal.SIGSTOP)
    try:
        body = json.dumps({"events": [event(properties={"text": os.urandom(3000).hex()})]}).encode()
        assert several.request("POST", "/v1/events", body)[0] == 200
        # Every connection meets one worker or the other: after a moment both refuse.
        wait_for(
            lambda: [several.request("POST", "/v1/events", body)[0] for _ in range(12)] == [503] * 12,
            "all workers are full",
        )
    finally:
        os.kill(loader, signal.SIGCONT)

    wait_for(lambda: several.request("POST", "/v1/events", body)[0] == 200, "there is room again")


def test_questions_are_answered_by_whichever_worker_is_asked(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2")
    assert several.send(event(identifiers={"user": "ada"}), {"type": "none"})["accepted"] == 1
    several.sql_until("SELECT count() FROM failed_events", [[1]], WITHIN_S)
    wait_for(lambda: several.request("GET", "/v1/people/user/ada")[0] == 200, "the event is stitched")

    for _ in range(8):
        assert several.request("GET", "/v1/people/user/nobody%2Fhere")[0] == 404
        assert several.request("POST", "/v1/sql", b"SELECT nothing FROM events")[0] == 400
        assert several.request("POST", "/v1/sql?format=TSV", b"SELECT '\xc3\xa9', {x:UInt8}", {})[0] == 400
        status, headers, answer = several.request(
            "POST", "/v1/sql?format=TSV&param_x=7", "SELECT 'é', {x:UInt8}".encode()
        )
        assert (status, answer.decode()) == (200, "é\t7\n")
        assert headers["Content-Type"].startswith("text/tab-separated-values")
        assert several.request("GET", "/v1/events")[0] == 405
        status, _, answer = several.request("GET", "/nothing/here")
        assert (status, json.loads(answer).keys()) == (404, {"error", "hint"})
        assert several.request("GET", "/v1/people/user/ada", headers={"Authorization": ""})[0] == 401
    found = metrics(several)
    assert found["stitchline_events_received_total"] == 2
    assert found['stitchline_requests_total{status="200"}'] == 1


@contextlib.contextmanager
def stream(collector: CollectorProcess, last: str = "") -> Iterator[HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", collector.port, timeout=WITHIN_S)
    headers = {"Authorization": f"Bearer {KEY}", **({"Last-Event-ID": last} if last else {})}
    with contextlib.closing(connection):
        connection.request("GET", "/v1/tail/stream?events=0", headers=headers)
        with connection.getresponse() as answer:
            yield answer


def heard(answer: HTTPResponse, name: str) -> str:
    """Read a stream up to an event of this name; returns the id to go on from."""
    last = ""
    for line in answer:
        if line.startswith(b"id: "):
            last = line[4:].decode().strip()
        if line.startswith(b"data: ") and json.loads(line[6:]).get("name") == name:
            return last
    raise AssertionError(f"the stream ended before {name}")


def test_a_stream_through_a_worker_is_not_held_up_and_goes_on_after_the_loader_was_killed(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2")
    with stream(several) as answer:
        assert answer.getheader("Content-Type", "").startswith("text/event-stream")
        several.send(event(name="first"))
        last = heard(answer, "first")
        kill(several, "loader")
        with contextlib.suppress(HTTPException, OSError):
            assert not [line for line in answer if line.startswith(b"data: ")]
    several.send(event(name="second"))

    def goes_on() -> bool:
        with stream(several, last) as again:
            return again.status == 200 and bool(heard(again, "second"))

    wait_for(goes_on, "the loader answers again")
    assert "Traceback" not in several.log()


def test_sigterm_ends_streams_through_workers_in_good_order(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2")
    with stream(several) as answer:
        assert answer.readline().startswith(b"retry: ")
        assert several.terminate() == 0
        assert b"data: " not in answer.read()  # an end that is cut off raises
    assert "Traceback" not in several.log()


def test_sigterm_ends_all_processes_with_everything_loaded(
    collector: Callable[..., CollectorProcess],
) -> None:
    several = collector("--workers", "2")
    with Crowd(several.port, events_per_batch=5) as crowd:
        wait_for(lambda: len(crowd.acknowledged) > 200, "events are acknowledged")
        before = processes(several)
        assert several.terminate() == 0
    assert not any(lives(pid) for pid in before.values())
    spool = several.data / "spool"
    assert [path.name for path in spool.rglob("*-*.*")] == []

    one = collector(data=several.data)  # a collector of one process goes on where several stopped
    assert {row[0] for row in one.sql("SELECT toString(event_id) FROM events")} >= set(crowd.acknowledged)
    assert [path for path in spool.iterdir() if path.is_file()] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--clickhouse", "mysql://there"), "mysql"),
        (("--port", "{port}"), "cannot serve on 127.0.0.1:{port}"),
    ],
)
def test_a_start_that_cannot_be_says_why_and_leaves_nothing(
    tmp_path: Path, options: tuple[str, ...], words: str, collector: Callable[..., CollectorProcess]
) -> None:
    other = collector("--workers", "2")
    arguments = [option.format(port=other.port) for option in options]
    if "--port" not in arguments:
        arguments += ["--port", str(free_port())]
    command = [sys.executable, "-m", "stitchline_collector", "serve", "--workers", "2"]
    command += ["--data", str(tmp_path / "new"), *arguments]

    found = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)

    assert found.returncode == 1
    assert words.format(port=other.port) in found.stderr
    assert "Traceback" not in found.stderr
    assert list((tmp_path / "new" / "spool").glob(".group-*")) == []
