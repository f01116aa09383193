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
CHECK_EVERY = 20  # rounds: so that a loss is noticed near the round that made it


def _torture(collector: CollectorProcess, rounds: int, seed: int) -> None:
    moments = random.Random(seed)
    with Crowd(collector.port) as crowd:
        for number in range(1, rounds + 1):
            if moments.random() < 0.25:  # while it starts and recovers
                collector.start(until_ready=False)
                time.sleep(moments.uniform(0, 3))
            else:
                collector.start()
                time.sleep(moments.uniform(0, 1.5))
            collector.kill()
            if number % CHECK_EVERY == 0:
                collector.start()
                print(f"round {number} of {rounds}: {len(crowd.acknowledged):,} acknowledged", flush=True)
                collector.kill()
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
    _torture(collector(start=False), LONG_ROUNDS, seed)
