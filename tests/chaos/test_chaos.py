"""Faults in a random order, under load, with real processes: nothing acknowledged is lost or doubled, and all is said and counted.

`make torture SEED=7 MINUTES=30` runs it for long; the short run has a fixed seed. A failure prints seed and schedule.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.clients import Senders
from tests.chaos.invariants import Mark, check_app, check_log, check_record, check_sums, settle
from tests.chaos.schedule import Step, steps
from tests.chaos.stage import Stage, until
from tests.clickhouse_server import ClickHouseServer

SHORT_SEED, SHORT_STEPS = 6, 5
MINUTES = float(os.environ.get("STITCHLINE_TORTURE_MINUTES", "") or 20)


class Chaos:
    """A run: steps, one after the other, and what they left behind."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._seed = seed
        self._destroyed = 0  # events of the SDK among what was destroyed on disk, at most
        self._done: list[str] = []

    def play(self, step: Step) -> None:
        """Let a fault strike under load, let it be over, and check everything."""
        self._done.append(str(step))
        print(step, end=": ", flush=True)
        began = time.monotonic()
        try:
            told = self._play(step)
        except (AssertionError, RuntimeError, OSError) as error:
            schedule = "\n  ".join(self._done)
            log = self._stage.collector.log()[-6000:]
            pytest.fail(
                f"SEED={self._seed}, step {step}\n{error}\nschedule so far:\n  {schedule}\nlog:\n{log}"
            )
        print(f"{told}; {time.monotonic() - began:.0f} s", flush=True)

    def _play(self, step: Step) -> str:
        stage, name = self._stage, f"step-{step.number}"
        fault = step.fault(random.Random(step.seed))
        mark = Mark(stage)
        with Senders(stage.collector.port, name) as senders:
            acknowledged = senders.record.acknowledged
            until(lambda: len(acknowledged) > 50, "clients are served before the fault")
            stage.senders = senders
            fault.strike(stage)
            senders.go_on_for(step.lasts_s)
            if step.kill:
                mark.remember()
                stage.restart()
            if fault.is_noticed_at_once:
                mark.wait_until_noticed(fault)
            fault.end(stage)
            before = len(acknowledged)
            until(lambda: len(acknowledged) > before, "clients are served after the fault, by itself")
        by_app = stage.app.deliver()
        settle(stage)
        mark.wait_until_noticed(fault)
        check_sums(stage)
        check_log(mark)
        told = check_record(stage, mark, fault, senders.record, name)
        self._destroyed += len(fault.may_be_lost - senders.record.acknowledged - senders.record.unanswered)
        told += "; " + check_app(stage, by_app, self._destroyed)
        stage.app.go_on()
        return told


@pytest.fixture
def staged(clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[Callable[[int], Stage]]:
    """Set the stage for a seed; `clickhouse_server` is asked for only to learn whether one can run here."""
    del clickhouse_server
    with contextlib.ExitStack() as stack:
        yield lambda seed: stack.enter_context(Stage(tmp_path / "stage", seed))


def test_a_few_faults_lose_and_double_nothing(staged: Callable[[int], Stage]) -> None:
    chaos = Chaos(staged(SHORT_SEED), SHORT_SEED)
    for step in itertools.islice(steps(SHORT_SEED, longest_s=1.0), SHORT_STEPS):
        chaos.play(step)


@pytest.mark.torture
def test_hours_of_faults_lose_and_double_nothing(staged: Callable[[int], Stage]) -> None:
    seed = int(os.environ.get("STITCHLINE_TORTURE_SEED", "") or time.time_ns() % 10**6)
    print(f"\nSEED={seed} MINUTES={MINUTES:g}", flush=True)
    chaos = Chaos(staged(seed), seed)
    until_s = time.monotonic() + MINUTES * 60
    for step in steps(seed, longest_s=8.0):
        if time.monotonic() > until_s:
            break
        chaos.play(step)
