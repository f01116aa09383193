"""Identity at size: everybody decided anew, new evidence, and what reading by person costs.

The evidence, events and right answers are made by ClickHouse itself (`identity_data`); what is measured is the product's own code, on
the embedded engine, each contender in a process of its own. Yardsticks: scipy's `connected_components` on the same edges, a graph of a
tenth of the size, and the same funnel by device.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.identity_contender import Task
from benchmarks.identity_queries import (
    BY_DICTIONARY,
    BY_JOIN,
    FUNNELS,
    STITCHED,
    VIEW_STITCHED,
    YARDSTICKS,
)
from benchmarks.processes import Failed, Process
from benchmarks.results import Finding, Run, Table, Target, median, percentile

NEW_EDGES = 10_000
WANTED_REBUILD, WANTED_MB, WANTED_S, WANTED_GROWTH, WANTED_STITCHED = 2.5, 4000, 1.5, 1.5, 1.5

Round = dict[str, Any]


class Workshop(Process):
    """A contender's process with its folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder / "clickhouse"
        super().__init__(["-m", "benchmarks.identity_contender"], folder / "contender.log", piped=True)
        self._answers = (line for line in self.lines() if line.startswith(b"{"))

    def do(self, what: str, **amounts: int) -> Round:
        """Have something done.

        Raises:
            Failed: it ended instead.
        """
        self.tell(msgspec.json.encode(Task(what, str(self._folder), **amounts)))
        answer = next(self._answers, None)
        if answer is None:
            raise Failed(self.output())
        found: Round = msgspec.json.decode(answer)
        return found

    def leave(self) -> None:
        """Let it end by itself, so that the next process finds the folder free and whole."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def measure(run: Run) -> Finding:
    people, events = (20_000, 100_000) if run.quick else (1_000_000, 10_000_000)
    large, small = run.folder / "large", run.folder / "small"
    sizes = {}
    for folder, number in ((small, people // 10), (large, people)):
        run.say(f"making the evidence of {number:,} people")
        sizes[folder] = alone(folder, "make", people=number)
    rebuilds, yardsticks = _rebuilds(run, large)
    alone(small, "rebuild")
    increments = _increments(run, {small: people // 10, large: people})
    run.say(f"making {events:,} events")
    alone(large, "make_events", people=people, events=events)
    run.say("funnels and look-ups")
    funnels = alone(large, "funnels", rounds=run.times(7, 3))
    look_ups = alone(large, "look_ups", number=50 if run.quick else 500)["ms"]
    tables = [
        _rebuild_table(rebuilds, yardsticks, sizes[large]),
        _increment_table([(sizes[folder], increments[folder]) for folder in (small, large)]),
        _funnel_table(funnels, events),
        _look_up_table(look_ups),
    ]
    targets = [
        *_rebuild_targets(rebuilds, yardsticks),
        *_increment_targets(increments[small], increments[large]),
        _funnel_target("stitched funnel", funnels, STITCHED),
        _funnel_target("stitched view funnel", funnels, VIEW_STITCHED),
    ]
    parameters = {"people": people, **sizes[large], "events": events, "new_edges": NEW_EDGES}
    rounds = [
        {"rebuild": rebuilds, "scipy": yardsticks},
        {"increments": {folder.name: increments[folder] for folder in increments}},
        {"funnels_ms": funnels, "look_ups_ms": look_ups},
    ]
    return Finding(tables, targets, parameters, rounds)


def alone(folder: Path, what: str, **amounts: int) -> Round:
    """Have something done in a folder by a process of its own.

    Raises:
        Failed: it ended instead.
    """
    with Workshop(folder) as workshop:
        answer = workshop.do(what, **amounts)
        workshop.leave()
        return answer


def _rebuilds(run: Run, folder: Path) -> tuple[list[Round], list[Round]]:
    rounds = run.times(5)
    rebuilds, yardsticks = [], []
    for number in range(rounds):
        run.say(f"round {number + 1} of {rounds}: scipy, then a full rebuild")
        yardsticks.append(alone(folder, "scipy"))
        rebuilds.append(alone(folder, "rebuild"))
        if rebuilds[-1]["wrong"]:
            raise Failed(f"the rebuild gave {rebuilds[-1]['wrong']:,} identifiers a wrong person")
    return rebuilds, yardsticks


def _increments(run: Run, graphs: dict[Path, int]) -> dict[Path, list[Round]]:
    rounds = run.times(7, 3)
    found: dict[Path, list[Round]] = {folder: [] for folder in graphs}
    workshops = {folder: Workshop(folder) for folder in graphs}
    try:
        for number in range(rounds + 1):
            run.say(f"{NEW_EDGES:,} new edges, round {number} of {rounds}" if number else "warming up")
            for folder, people in graphs.items():
                answer = workshops[folder].do("increment", people=people, events=NEW_EDGES, number=number)
                found[folder] += [answer] if number else []
        for workshop in workshops.values():
            workshop.leave()
    finally:
        for workshop in workshops.values():
            workshop.end()
    return found


def _rebuild_table(rebuilds: list[Round], yardsticks: list[Round], size: Round) -> Table:
    ratio = _ratio(_each(rebuilds, "seconds"), _each(yardsticks, "seconds"))
    rows = [
        _row("full rebuild", rebuilds, f"{ratio:.2f}"),
        _row("scipy: all of it", yardsticks, "1.00"),
        *(
            [f"  {name}", f"{median(_each(yardsticks, key)):.2f}", "", ""]
            for name, key in (
                ("fetch as Arrow", "fetch_s"),
                ("number the ends", "number_s"),
                ("connected_components", "components_s"),
            )
        ),
    ]
    note = (
        f"{size['edges']:,} edges, {size['identifiers']:,} identifiers. The rebuild begins with no decision at all, and ends when every person "
        f"can be looked up; it refused {rebuilds[-1]['refused']:,} edges, and every person was right. scipy knows no rule and writes nothing. "
        "Memory is the most that the process had, ClickHouse included."
    )
    return Table("Everybody decided anew", ["", "s", "ratio", "most MB"], rows, note)


def _row(name: str, rounds: list[Round], ratio: str) -> list[str]:
    return [name, f"{median(_each(rounds, 'seconds')):.2f}", ratio, f"{max(_each(rounds, 'peak_mb')):,.0f}"]


def _rebuild_targets(rebuilds: list[Round], yardsticks: list[Round]) -> list[Target]:
    ratio = _ratio(_each(rebuilds, "seconds"), _each(yardsticks, "seconds"))
    peak = max(_each(rebuilds, "peak_mb"))
    return [
        Target(
            "full rebuild, of scipy's total", f"<= {WANTED_REBUILD}", f"{ratio:.2f}", ratio <= WANTED_REBUILD
        ),
        Target("full rebuild, most memory", f"<= {WANTED_MB:,} MB", f"{peak:,.0f} MB", peak <= WANTED_MB),
    ]


def _increment_table(graphs: list[tuple[Round, list[Round]]]) -> Table:
    rows = [
        [
            f"{size['identifiers']:,} identifiers",
            f"{median(_each(rounds, 'seconds')):.2f}",
            f"{max(_each(rounds, 'seconds')):.2f}",
            f"{median(_each(rounds, 'edges')):,.0f}",
            f"{median(_each(rounds, 'changed')):,.0f}",
        ]
        for size, rounds in graphs
    ]
    note = "From a full inbox until every person can be looked up."
    return Table("10,000 new edges", ["into", "s", "most s", "new edges", "changed"], rows, note)


def _increment_targets(small: list[Round], large: list[Round]) -> list[Target]:
    seconds = median(_each(large, "seconds"))
    growth = _ratio(_each(large, "seconds"), _each(small, "seconds"))
    return [
        Target("10,000 new edges, large graph", f"<= {WANTED_S} s", f"{seconds:.2f} s", seconds <= WANTED_S),
        Target(
            "the same, of the small graph", f"<= {WANTED_GROWTH}", f"{growth:.2f}", growth <= WANTED_GROWTH
        ),
    ]


def _funnel_table(funnels: Round, events: int) -> Table:
    rows = [
        [name, f"{median(funnels[name]):,.0f}", f"{_ratio(funnels[name], funnels[YARDSTICKS[name]]):.2f}"]
        for name in FUNNELS
    ]
    note = (
        f"`{BY_DICTIONARY}` and `{BY_JOIN}` find the person of the identifier that decides, and know nothing of shared devices: they show "
        f"what a look-up costs. The view puts equal times in order by `seq` and asks each step of an event of its own; its ratio is that of its "
        "two forms. Ratio: the median of neighbours' ratios."
    )
    return Table(f"A funnel of three steps over {events:,} events", ["", "ms", "ratio"], rows, note)


def _funnel_target(name: str, funnels: Round, stitched: str) -> Target:
    ratio = _ratio(funnels[stitched], funnels[YARDSTICKS[stitched]])
    return Target(
        f"{name}, of the unstitched",
        f"<= {WANTED_STITCHED}",
        f"{ratio:.2f}",
        ratio <= WANTED_STITCHED,
    )


def _look_up_table(times: list[float]) -> Table:
    row = [
        f"{len(times)} people",
        f"{median(times):.1f}",
        f"{percentile(times, 99):.1f}",
        f"{max(times):.1f}",
    ]
    return Table("One person, as GET /v1/people/user/... asks", ["", "p50 ms", "p99 ms", "most ms"], [row])


def _each(rounds: Iterable[Round], key: str) -> list[float]:
    return [float(one[key]) for one in rounds]


def _ratio(ours: list[float], yardstick: list[float]) -> float:
    return median(mine / other for mine, other in zip(ours, yardstick, strict=True))
