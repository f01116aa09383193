"""Faults in a random order, under load, with real processes: nothing acknowledged is lost or doubled, and all is said and counted.

A round is a stage and all faults on it: of an even seed a collector of one process, of an odd one a collector with workers. `make
torture SEED=7 MINUTES=30` plays the rounds of the seeds 7, 8, 9 and so on; the short run plays the beginning of two rounds. A failure
prints the seed of its round, which may be played first the next time, and the schedule.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.chaos.clients import Senders
from tests.chaos.invariants import Mark, check_app, check_log, check_record, check_sums, settle
from tests.chaos.schedule import Round, Step
from tests.chaos.stage import Stage, until
from tests.clickhouse_server import ClickHouseServer

SHORT = ((6, 5), (551, 2))  # seeds, and how many steps of their rounds
QUICKLY_S, SLOWLY_S = 0.01, 0.2  # between two batches of a client; slowly while a fault lasts for minutes
MINUTES = float(os.environ.get("STITCHLINE_TORTURE_MINUTES", "") or 20)


class Chaos:
    """A round: steps, one after the other, and what they left behind."""

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
        with Senders(stage.collector.port, name, pause_s=SLOWLY_S if step.is_long else QUICKLY_S) as senders:
            acknowledged = senders.record.acknowledged
            until(lambda: len(acknowledged) > 50, "clients are served before the fault")
            stage.senders = senders
            fault.strike(stage)
            senders.go_on_for(step.lasts_s)
            if step.kill:
                mark.remember()
                stage.restart(step.kill)
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


def play(folder: Path, round_: Round, most: int | None = None, until_s: float = math.inf) -> None:
    """Play the steps of a round, or only so many of them, or only those that begin before a moment."""
    with Stage(folder, round_.seed, round_.workers) as stage:
        chaos = Chaos(stage, round_.seed)
        for step in itertools.islice(round_.steps(stage.parts), most):
            if time.monotonic() > until_s:
                break
            chaos.play(step)


@pytest.mark.parametrize(("seed", "steps"), SHORT)
def test_a_few_faults_lose_and_double_nothing(
    clickhouse_server: ClickHouseServer, tmp_path: Path, seed: int, steps: int
) -> None:
    del clickhouse_server  # asked for only to learn whether one can run here
    play(tmp_path / "stage", Round(seed, longest_s=1.0), most=steps)


@pytest.mark.torture
def test_hours_of_faults_lose_and_double_nothing(clickhouse_server: ClickHouseServer, tmp_path: Path) -> None:
    del clickhouse_server
    first = int(os.environ.get("STITCHLINE_TORTURE_SEED", "") or time.time_ns() % 10**6)
    until_s = time.monotonic() + MINUTES * 60
    for seed in itertools.count(first):
        if time.monotonic() > until_s:
            break
        round_ = Round(seed, longest_s=8.0, for_minutes=True)
        print(f"\nSEED={seed}, {round_.workers or 'no'} workers", flush=True)
        folder = tmp_path / f"round-{seed}"
        play(folder, round_, until_s=until_s)
        shutil.rmtree(folder)
