"""kill -9 of the collector at random moments, under load from several connections."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.processes import CollectorProcess
from tests.system.ledger import check_exactly_once, prepare
from tests.system.senders import Crowd

SHORT_ROUNDS, LONG_ROUNDS = 5, int(os.environ.get("STITCHLINE_TORTURE_ROUNDS", "200"))
MANY_ROWS = {"STITCHLINE_SQL_MAX_ROWS": "100000000"}
REPORT_EVERY = 20


def _torture(collector: CollectorProcess, rounds: int, seed: int) -> None:
    moments = random.Random(seed)
    with Crowd(collector.port, events_per_batch=5) as crowd:
        for number in range(1, rounds + 1):
            if moments.random() < 0.25:  # while it starts and recovers
                collector.start(until_ready=False)
                time.sleep(moments.uniform(0, 3))
            else:
                collector.start()
                time.sleep(moments.uniform(0, 1.5))
            collector.kill()
            if number % REPORT_EVERY == 0:
                print(f"round {number} of {rounds}: {len(crowd.acknowledged):,} acknowledged", flush=True)
    collector.start()
    print(check_exactly_once(collector, crowd), flush=True)
    assert len(crowd.acknowledged) > rounds


def test_no_acknowledged_event_is_lost_or_doubled_by_kill_9(
    dsn: str, collector: Callable[..., CollectorProcess]
) -> None:
    prepare(dsn)
    _torture(collector(start=False), SHORT_ROUNDS, seed=1)


@pytest.mark.torture
def test_no_acknowledged_event_is_lost_or_doubled_by_many_rounds_of_kill_9(
    dsn: str, collector: Callable[..., CollectorProcess]
) -> None:
    prepare(dsn)
    seed = int(os.environ.get("STITCHLINE_TORTURE_SEED", str(time.time_ns() % 10**9)))
    print(f"STITCHLINE_TORTURE_SEED={seed}", flush=True)
    _torture(collector(start=False, env=MANY_ROWS), LONG_ROUNDS, seed)
