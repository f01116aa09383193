"""SIGTERM under load loses nothing acknowledged, and ClickHouse may be away at the start and at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clickhouse_server import ClickHouseServer
from tests.processes import CollectorProcess
from tests.system.ledger import check_exactly_once, prepare, wait_until_loaded
from tests.system.senders import Crowd, event

STOP_S = 3


@pytest.fixture
def server(clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[ClickHouseServer]:
    del clickhouse_server  # asked for only to learn whether one can run here
    server = ClickHouseServer(tmp_path / "absent")
    yield server
    server.stop()


@pytest.fixture
def beside(server: ClickHouseServer, tmp_path: Path) -> Iterator[CollectorProcess]:
    """A collector for a server that is not there yet."""
    collector = CollectorProcess(
        tmp_path / "data", server.dsn(), env={"STITCHLINE_STOP_TIMEOUT_S": str(STOP_S)}
    )
    yield collector
    collector.kill()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stop_under_load_loads_everything_and_leaves_an_empty_spool(
    dsn: str, collector: Callable[..., CollectorProcess]
) -> None:
    prepare(dsn)
    process = collector()
    with Crowd(process.port) as crowd:
        until(lambda: len(crowd.acknowledged) > 500)
        assert process.terminate() == 0
    spool = list((process.data / "spool").iterdir())

    assert spool == []
    process.start()
    print(check_exactly_once(process, crowd))


def test_a_second_stop_signal_does_not_lose_what_the_first_began(
    dsn: str, collector: Callable[..., CollectorProcess]
) -> None:
    prepare(dsn)
    process = collector()
    with Crowd(process.port) as crowd:
        until(lambda: len(crowd.acknowledged) > 100)
        for _ in range(2):
            assert process.terminate() == 0
            process.start()
    print(check_exactly_once(process, crowd))


def test_events_are_acknowledged_while_clickhouse_has_not_been_seen_yet(
    server: ClickHouseServer, beside: CollectorProcess
) -> None:
    beside.start()
    assert beside.send(event(name="early"))["accepted"] == 1
    assert b"does not answer" in beside.request("GET", "/health/ready")[2]

    server.start()

    until(lambda: beside.request("POST", "/v1/sql", b"SELECT 1")[0] == 200)
    beside.sql_until("SELECT name FROM events", [["early"]])


def test_a_stop_while_clickhouse_is_away_ends_in_time_and_the_next_start_loads_the_rest(
    server: ClickHouseServer, beside: CollectorProcess
) -> None:
    server.start()
    prepare(server.dsn())
    beside.start()
    with Crowd(beside.port) as crowd:
        until(lambda: len(crowd.acknowledged) > 100)
        server.kill()
        seen = len(crowd.acknowledged)
        until(lambda: len(crowd.acknowledged) > seen + 100)
        began = time.monotonic()
        assert beside.terminate() == 0
    # The requests under way, then the loader's time, then whoever waits for an answer of the server that is gone.
    assert time.monotonic() - began < STOP_S + 10
    assert "stay on disk" in beside.log()

    server.start()
    beside.start()
    print(check_exactly_once(beside, crowd))


def test_a_collector_that_never_saw_clickhouse_stops_in_time_and_keeps_its_events(
    server: ClickHouseServer, beside: CollectorProcess
) -> None:
    beside.start()
    beside.send(event(name="kept"))
    began = time.monotonic()
    assert beside.terminate() == 0
    assert time.monotonic() - began < STOP_S + 10

    server.start()
    beside.start()
    wait_until_loaded(beside)
    assert beside.sql("SELECT name FROM events") == [["kept"]]


def test_two_collectors_on_one_data_folder_adopt_what_the_other_left(
    server: ClickHouseServer, beside: CollectorProcess
) -> None:
    other = CollectorProcess(beside.data, server.dsn())
    beside.start()
    other.start()
    try:
        beside.send(event(name="first"))
        other.send(event(name="second"))
        beside.kill()
        server.start()
        beside.start()  # adopts its former self's folder, and not the living neighbour's
        until(lambda: beside.request("POST", "/v1/sql", b"SELECT 1")[0] == 200)
        beside.sql_until("SELECT name FROM events ORDER BY name", [["first"], ["second"]])
    finally:
        other.kill()
