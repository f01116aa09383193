"""kill -9 of ClickHouse at random moments while the collector goes on, and of both."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clickhouse_server import ClickHouseServer
from tests.processes import CollectorProcess
from tests.system.ledger import check_exactly_once, prepare
from tests.system.senders import Crowd

MANY_ROWS = {"STITCHLINE_SQL_MAX_ROWS": "100000000"}
SHORT_ROUNDS, LONG_ROUNDS = 3, int(os.environ.get("STITCHLINE_TORTURE_ROUNDS", "200"))


@pytest.fixture
def server(clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A server of this test alone; `clickhouse_server` is asked for only to learn whether one can run here."""
    del clickhouse_server  # asked for only to learn whether one can run here
    with ClickHouseServer(tmp_path / "killed") as server:
        yield server


@pytest.fixture
def both(server: ClickHouseServer, tmp_path: Path) -> Iterator[CollectorProcess]:
    prepare(server.dsn())
    collector = CollectorProcess(tmp_path / "data", server.dsn(), env=MANY_ROWS).start()
    yield collector
    collector.kill()


def _torture(
    server: ClickHouseServer, collector: CollectorProcess, rounds: int, *, also_collector: bool
) -> None:
    moments = random.Random(2)
    with Crowd(collector.port, connections=3, events_per_batch=5) as crowd:
        for number in range(1, rounds + 1):
            time.sleep(moments.uniform(0.1, 1.5))
            server.kill()
            time.sleep(moments.uniform(0, 0.5))
            if also_collector:
                collector.restart()  # without ClickHouse: it must acknowledge all the same
            before = len(crowd.acknowledged)
            _until(lambda before=before: len(crowd.acknowledged) > before)  # type: ignore[misc] # bound in the loop
            server.start()
            if number % 20 == 0:
                print(f"round {number} of {rounds}: {len(crowd.acknowledged):,} acknowledged", flush=True)
    assert also_collector or set(crowd.statuses) == {200}
    print(check_exactly_once(collector, crowd), flush=True)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "nothing is acknowledged while ClickHouse is away"
        time.sleep(0.01)


def test_kill_9_of_clickhouse_loses_and_doubles_nothing_and_senders_do_not_notice(
    server: ClickHouseServer, both: CollectorProcess
) -> None:
    _torture(server, both, SHORT_ROUNDS, also_collector=False)


def test_kill_9_of_clickhouse_and_the_collector_loses_and_doubles_nothing(
    server: ClickHouseServer, both: CollectorProcess
) -> None:
    _torture(server, both, SHORT_ROUNDS, also_collector=True)


@pytest.mark.torture
@pytest.mark.parametrize("also_collector", [False, True])
def test_many_rounds_of_kill_9_of_clickhouse(
    server: ClickHouseServer, both: CollectorProcess, *, also_collector: bool
) -> None:
    _torture(server, both, LONG_ROUNDS // 2, also_collector=also_collector)
