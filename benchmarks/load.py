"""Loading alone: the loader draining a spool, beside a plain insert of the very same bytes into the same table.

Contenders, each in a process of its own with a fresh, migrated database, on the embedded engine and on a real server: the product's
`Loader`; clickhouse-connect's `raw_insert`, one for each segment; one for everything; and the first two without the materialized
view that feeds the stitcher, which shows what the view costs. ClickHouse has the whole machine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks import spooled
from benchmarks.load_contender import Loaded, Task
from benchmarks.processes import Failed, Process
from benchmarks.results import Finding, Run, Table, Target, median
from tests.clickhouse_server import ClickHouseServer

WANTED = 0.8
CONTENDERS = {
    "loader": ("loader", True),
    "raw insert, a segment each": ("raw", True),
    "raw insert, all at once": ("raw_at_once", True),
    "loader, no stitching view": ("loader", False),
    "raw insert, no stitching view": ("raw", False),
}
YARDSTICK = "raw insert, a segment each"


class Measured(msgspec.Struct):
    """One contender on one kind of ClickHouse, by round."""

    clickhouse: str
    contender: str
    rounds: list[Loaded]

    def rates(self) -> list[float]:
        """Rows a second, by round."""
        return [one.rows / one.seconds for one in self.rounds]


def measure(run: Run) -> Finding:
    events, rounds = (60_000, run.times(1)) if run.quick else (200_000, run.times(5))
    run.say(f"sending {events:,} events to fill a spool")
    spool = spooled.fill(run.folder / "spool", events)
    waiting = spooled.segments(spool)
    megabytes = sum(segment.size for segment in waiting) / 1e6
    measured = [*_contend(run, "embedded", spool, rounds), *_contend(run, "server", spool, rounds)]
    tables = [
        _table(kind, [one for one in measured if one.clickhouse == kind]) for kind in ("embedded", "server")
    ]
    return Finding(
        tables,
        [_target(kind, measured) for kind in ("embedded", "server")],
        {"events": events, "segments": len(waiting), "spool_mb": round(megabytes, 1), "rounds": rounds},
        [msgspec.to_builtins(one) for one in measured],
    )


def _contend(run: Run, kind: str, spool: Path, rounds: int) -> list[Measured]:
    measured = {name: Measured(kind, name, []) for name in CONTENDERS}
    for number in range(rounds):
        for name, (way, stitching) in CONTENDERS.items():
            run.say(f"{kind}: round {number + 1} of {rounds}: {name}")
            folder = run.folder / f"{kind}-{number}-{len(measured[name].rounds)}-{way}-{stitching}"
            folder.mkdir()
            with _clickhouse(kind, folder) as dsn:
                task = Task(way, dsn, "bench", str(_copy(spool, folder / "spool")), stitching)
                measured[name].rounds.append(
                    _load(task, folder, sum(one.rows for one in spooled.segments(spool)))
                )
            shutil.rmtree(folder)
    return list(measured.values())


@contextmanager
def _clickhouse(kind: str, folder: Path) -> Iterator[str]:
    if kind == "embedded":
        yield f"chdb://{folder / 'clickhouse'}"
        return
    with ClickHouseServer(folder / "server") as server:
        yield server.dsn("bench")


def _load(task: Task, folder: Path, rows: int) -> Loaded:
    with Process(["-m", "benchmarks.load_contender"], folder / "contender.log", piped=True) as contender:
        contender.tell(msgspec.json.encode(task))
        lines = [line for line in contender.lines() if line.strip()]
    loaded = msgspec.json.decode(lines[-1], type=Loaded)
    if loaded.rows != rows:
        raise Failed(f"{task.way}: {loaded.rows:,} rows of {rows:,} are in ClickHouse")
    return loaded


def _copy(spool: Path, to: Path) -> Path:
    """The same files under other names: the loader deletes what it has loaded."""
    to.mkdir()
    for segment in spooled.segments(spool):
        os.link(segment.path, to / segment.path.name)
    return to


def _ratio(name: str, measured: list[Measured]) -> float:
    rates = {one.contender: one.rates() for one in measured}
    return median(mine / other for mine, other in zip(rates[name], rates[YARDSTICK], strict=True))


def _table(kind: str, measured: list[Measured]) -> Table:
    rows = []
    for one in measured:
        cpu_us = median(each.cpu_s / each.rows * 1e6 for each in one.rounds)
        rows.append(
            [
                one.contender,
                f"{median(one.rates()):,.0f}",
                f"{_ratio(one.contender, measured):.2f}",
                f"{cpu_us:.1f}",
            ]
        )
    where = "ClickHouse embedded" if kind == "embedded" else "ClickHouse server"
    note = f"Ratio to `{YARDSTICK}`, median over rounds; CPU of the contender's process" + (
        ", ClickHouse included." if kind == "embedded" else ", without the server's."
    )
    return Table(f"Loading, {where}", ["contender", "events/s", "ratio", "CPU us/event"], rows, note)


def _target(kind: str, measured: list[Measured]) -> Target:
    ratio = _ratio("loader", [one for one in measured if one.clickhouse == kind])
    return Target(f"loader of the raw insert, {kind}", f">= {WANTED}", f"{ratio:.2f}", ratio >= WANTED)
