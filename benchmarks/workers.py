"""Several processes: what a collector with two workers acknowledges, beside one that is a single process.

Contenders: `stitchline serve` with `workers` 1 and 2, sent the same prepared requests in alternating slices. ClickHouse is away, so the
process that would load is idle. Nobody is pinned but the generator, whose core the workers share: what it leaves is the most that
can be gained on two cores, and stands beside what was.
"""

from __future__ import annotations

import msgspec

from benchmarks.ingest import PREPARED_EVENTS, SLICE_S, Case
from benchmarks.plan import Part, Plan, Server, Slice
from benchmarks.processes import ALL_CORES, Collector, Failed, away, run_plan
from benchmarks.results import Finding, Run, Table, median

CASES = (Case(50, 128), Case(1, 128), Case(50, 128, compressed=True))
_CORES = len(ALL_CORES)


class Measured(msgspec.Struct):
    """The slices of one case, in pairs: one process, two workers."""

    case: Case
    one: list[Slice]
    two: list[Slice]


def measure(run: Run) -> Finding:
    rounds = run.times(12, 2)
    one, two = (
        Collector(run.folder / name, away(), settings={"workers": workers})
        for name, workers in (("one", 1), ("two", 2))
    )
    with one, two:
        servers = [Server("one", one.port, True, one.pid), Server("two", two.port, True, two.pid)]
        measured = [_case(run, servers, case, rounds) for case in CASES]
    return Finding([_table(measured)], [], {"slice_s": SLICE_S, "rounds": rounds}, measured)


def _case(run: Run, servers: list[Server], case: Case, rounds: int) -> Measured:
    run.say(str(case))
    parts = [Part(server.name, SLICE_S) for _ in range(rounds) for server in servers]
    plan = Plan(servers, parts, case.connections, case.batch_events, PREPARED_EVENTS, case.compressed)
    log = run.folder / "generator.log"
    slices = [msgspec.json.decode(line, type=Slice) for line in run_plan(plan, log) if line.strip()]
    if any(each.failed for each in slices):
        raise Failed(f"{case}: refused requests\n{log.read_text()[-2000:]}")
    one, two = ([each for each in slices if each.server == server.name] for server in servers)
    return Measured(case, one, two)


def _table(measured: list[Measured]) -> Table:
    rows = []
    for each in measured:
        rates = [[part.events / part.seconds for part in parts] for parts in (each.one, each.two)]
        ratio = median(two / one for one, two in zip(*rates, strict=True))
        busy = median(part.generator_cpu for part in each.two)
        rows.append(
            [str(each.case), *(f"{median(rate):,.0f}" for rate in rates), f"{ratio:.2f}", f"{busy:.0%}"]
        )
    columns = ["events", "one process/s", "two workers/s", "ratio", "generator busy"]
    return Table(
        f"Two workers beside one process, {_CORES} cores with the generator",
        columns,
        rows,
        "Events acknowledged a second, medians; the ratio is the median of neighbouring slices' ratios. What the generator is busy with is of one core.",
    )
