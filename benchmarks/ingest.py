"""Ingest alone: acknowledged and durable events a second of one collector process, beside reading the bodies only.

Contenders: `stitchline serve` with everything on, its ClickHouse away so that nothing is loaded, and `read_only`. One generator sends
the same prepared requests to both in alternating slices; a ratio compares neighbouring slices, and the median of the ratios counts.

Meant by "one process" is one core: all threads of a contender share the first core, the generator has the last one. The same
without pinning stands beside it: there the spool's thread compresses and syncs on another core while the generator leaves room.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.plan import Part, Plan, Server, Slice
from benchmarks.processes import (
    ALL_CORES,
    FIRST_CORE,
    Collector,
    Failed,
    Process,
    away,
    free_port,
    run_plan,
    wait_for_port,
)
from benchmarks.results import Finding, Run, Table, Target, median
from stitchline_collector.spool.frames import sound_prefix

SLICE_S = 1.0
WANTED = {1: 0.45, 50: 0.2}
PREPARED_EVENTS = 20_000


class Case(msgspec.Struct, frozen=True):
    """One way to send."""

    batch_events: int
    connections: int
    compressed: bool = False

    def __str__(self) -> str:
        return f"{self.batch_events:2d}/req, {self.connections:3d} conn{', gzip' if self.compressed else ''}"


CASES = (
    Case(50, 32),
    Case(50, 128),
    Case(1, 32),
    Case(1, 128),
    Case(50, 32, compressed=True),
    Case(50, 128, compressed=True),
)


class Measured(msgspec.Struct):
    """The slices of one case, in pairs: collector, read-only."""

    case: Case
    pinned: bool
    collector: list[Slice]
    read_only: list[Slice]

    @property
    def ratio(self) -> float:
        """The median of the neighbours' ratios."""
        pairs = zip(self.collector, self.read_only, strict=True)
        return median((one.events / one.seconds) / (other.events / other.seconds) for one, other in pairs)


def measure(run: Run) -> Finding:
    rounds = run.times(12, 2)
    cases = CASES[:1] + CASES[2:3] if run.quick else CASES
    pinned = _contend(run, "pinned", FIRST_CORE, cases, rounds)
    unpinned = _contend(run, "unpinned", ALL_CORES, cases, rounds)
    both = pinned + unpinned
    return Finding(
        [
            _rates("All threads of a contender on one core (meant by the targets)", pinned),
            _rates("The same, free to use the generator's core too", unpinned),
            _costs("Latency and CPU, pinned", pinned),
        ],
        [_target(case, pinned) for case in cases if not case.compressed],
        {"slice_s": SLICE_S, "rounds": rounds, "prepared_events": PREPARED_EVENTS},
        [msgspec.to_builtins(one) for one in both],
    )


def _contend(
    run: Run, name: str, cores: frozenset[int], cases: tuple[Case, ...], rounds: int
) -> list[Measured]:
    folder = run.folder / name
    port = free_port()
    with (
        Collector(folder, away(), cores) as collector,
        Process(["-m", "benchmarks.read_only", str(port)], folder / "read_only.log", cores) as read_only,
    ):
        wait_for_port(port, read_only)
        servers = [
            Server("collector", collector.port, True, collector.pid),
            Server("read_only", port, False, read_only.pid),
        ]
        measured = []
        for case in cases:
            run.say(f"{name}: {case}")
            measured.append(_case(servers, case, rounds, folder, pinned=cores is FIRST_CORE))
        accepted = int(collector.metrics()["stitchline_events_accepted_total"])
    run.say(f"{name}: reading back what was acknowledged, after kill -9")
    _check_durable(collector.data / "spool", accepted)
    return measured


def _case(servers: list[Server], case: Case, rounds: int, folder: Path, *, pinned: bool) -> Measured:
    parts = [Part(server.name, SLICE_S) for _ in range(rounds) for server in servers]
    plan = Plan(servers, parts, case.connections, case.batch_events, PREPARED_EVENTS, case.compressed)
    slices = [
        msgspec.json.decode(line, type=Slice)
        for line in run_plan(plan, folder / "generator.log")
        if line.strip()
    ]
    if any(one.failed for one in slices):
        raise Failed(f"{case}: refused requests\n{(folder / 'generator.log').read_text()[-2000:]}")
    by_name = {server.name: [one for one in slices if one.server == server.name] for server in servers}
    return Measured(case, pinned, by_name["collector"], by_name["read_only"])


def _check_durable(spool: Path, accepted: int) -> None:
    """Count what is on disk after the process was killed.

    Raises:
        Failed: less than was acknowledged.
    """
    on_disk = sum(sound_prefix(path.read_bytes())[1] for path in spool.glob("*/*-events.*"))
    if on_disk < accepted:
        raise Failed(f"{accepted:,} events were acknowledged, {on_disk:,} are on disk")


def _rates(title: str, measured: list[Measured]) -> Table:
    rows = []
    for one in measured:
        rates = [
            median(each.events / each.seconds for each in slices) for slices in (one.collector, one.read_only)
        ]
        busy = max(each.generator_cpu for each in one.collector + one.read_only)
        rows.append([str(one.case), *(f"{rate:,.0f}" for rate in rates), f"{one.ratio:.3f}", f"{busy:.0%}"])
    columns = ["events", "collector/s", "read-only/s", "ratio", "generator busy"]
    note = "Events acknowledged a second, medians; the ratio is the median of neighbouring slices' ratios."
    return Table(title, columns, rows, note)


def _costs(title: str, measured: list[Measured]) -> Table:
    rows = []
    for one in measured:
        row = [str(one.case)]
        for slices in (one.collector, one.read_only):
            row += [
                f"{median(each.p50_ms for each in slices):.1f}",
                f"{median(each.p99_ms for each in slices):.1f}",
            ]
            row.append(f"{median(each.server_cpu_s / each.requests * 1e6 for each in slices):.0f}")
        rows.append(row)
    columns = ["events", "p50 ms", "p99 ms", "us/req", "r-o p50", "r-o p99", "r-o us/req"]
    return Table(
        title,
        columns,
        rows,
        "us/req: CPU of all threads of the contender for one request; r-o: the read-only handler.",
    )


def _target(case: Case, measured: list[Measured]) -> Target:
    (found,) = (one for one in measured if one.case == case)
    wanted = WANTED[case.batch_events]
    return Target(
        f"{case}: of the read-only handler", f">= {wanted}", f"{found.ratio:.3f}", found.ratio >= wanted
    )
