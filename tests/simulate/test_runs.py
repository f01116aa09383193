"""Sorting more than memory holds."""

from __future__ import annotations

from pathlib import Path
from random import Random

from stitchline_collector.simulate.runs import FAN_IN, Runs


def test_more_runs_than_may_be_open_are_merged_in_order(tmp_path: Path) -> None:
    rng = Random(1)
    everything = [b"%09d\n" % rng.randrange(10**9) for _ in range(3 * FAN_IN + 5)]
    runs = Runs(tmp_path)
    for line in everything:
        runs.add([line])
    assert len(list(tmp_path.iterdir())) < FAN_IN
    assert list(runs.merged()) == sorted(everything)


def test_no_runs_are_no_lines(tmp_path: Path) -> None:
    assert list(Runs(tmp_path).merged()) == []
