"""The Python SDK beside the ones people use today: the caller's time, CPU an event, events a second.

Contenders: stitchline, segment-analytics-python, posthog, and snowplow-tracker as it comes and tuned, each in a process of its own on the first core, delivering the same events to the same sink on the last one.
CPU is user and system time of the whole process, less what the process uses while it has nothing to do.
"""

from __future__ import annotations

import urllib.request
from pathlib import Path

import msgspec

from benchmarks.processes import FIRST_CORE, LAST_CORE, Failed, Process, free_port, wait_for_port
from benchmarks.results import Finding, Run, Table, Target, median
from benchmarks.sdk_contender import SDKS, Cost, Task

OWN = "stitchline"
WANTED_TIMES = 8.0
WANTED_IMPORT_MS = 80.0


def measure(run: Run) -> Finding:
    timed, delivered, rounds = (2_000, 5_000, run.times(1)) if run.quick else (10_000, 50_000, run.times(5))
    costs: dict[str, list[Cost]] = {name: [] for name in SDKS}
    port = free_port()
    with Process(["-m", "benchmarks.sink", str(port)], run.folder / "sink.log", LAST_CORE) as sink:
        wait_for_port(port, sink)
        for number in range(rounds):
            for name in SDKS:
                run.say(f"round {number + 1} of {rounds}: {name}")
                costs[name].append(_cost(Task(name, port, timed, delivered), run.folder))
    return Finding(
        [_table(costs), _ratios(costs)],
        _targets(costs),
        {"timed_calls": timed, "delivered_events": delivered, "rounds": rounds},
        [msgspec.to_builtins(one) for each in costs.values() for one in each],
    )


def _cost(task: Task, folder: Path) -> Cost:
    log, env = folder / "contender.log", {"TMPDIR": str(folder)}  # its state goes when the run is over
    with Process(["-m", "benchmarks.sdk_contender"], log, FIRST_CORE, env, piped=True) as contender:
        contender.tell(msgspec.json.encode(task))
        lines = [line for line in contender.lines() if line.startswith(b"{")]
    cost = msgspec.json.decode(lines[-1], type=Cost)
    with urllib.request.urlopen(f"http://127.0.0.1:{task.port}/count", timeout=60) as answer:
        cost.received = int(answer.read())
    if cost.received < cost.sent:
        raise Failed(f"{task.sdk}: {cost.sent:,} events were sent, {cost.received:,} arrived")
    return cost


def _of(costs: list[Cost], figure: str) -> float:
    return median(getattr(cost, figure) for cost in costs)


def _table(costs: dict[str, list[Cost]]) -> Table:
    rows = []
    for name, each in costs.items():
        row = [name, *(f"{_of(each, figure):.1f}" for figure in ("p50_us", "p99_us", "cpu_us"))]
        rows.append([*row, f"{_of(each, 'delivered_per_s'):,.0f}", f"{_of(each, 'import_ms'):.0f}"])
    columns = ["", "track p50 us", "p99 us", "CPU us/event", "delivered/s", "import ms"]
    return Table("Python SDKs, one calling thread, a sink on this machine", columns, rows)


def _ratios(costs: dict[str, list[Cost]]) -> Table:
    rows = []
    for name in costs:
        if not name.startswith(OWN):
            row = [
                name,
                *(f"{_times(costs, name, figure):.1f} x" for figure in ("p50_us", "p99_us", "cpu_us")),
            ]
            rows.append([*row, f"{1 / _times(costs, name, 'delivered_per_s'):.1f} x"])
    columns = ["", "track p50", "track p99", "CPU/event", "delivered/s"]
    note = "How many times better stitchline is; the median of the rounds' ratios."
    return Table("Beside stitchline", columns, rows, note)


def _times(costs: dict[str, list[Cost]], name: str, figure: str, own_name: str = OWN) -> float:
    pairs = zip(costs[name], costs[own_name], strict=True)
    return median(getattr(other, figure) / getattr(own, figure) for other, own in pairs)


def _targets(costs: dict[str, list[Cost]]) -> list[Target]:
    targets = []
    for own in (name for name in costs if name.startswith(OWN)):
        for what, figure in (("track p50", "p50_us"), ("CPU an event", "cpu_us")):
            least = min(_times(costs, name, figure, own) for name in costs if not name.startswith(OWN))
            wanted = f">= {WANTED_TIMES:.0f} x"
            targets.append(
                Target(f"{own}: {what} beside the best", wanted, f"{least:.1f} x", least >= WANTED_TIMES)
            )
    import_ms = _of(costs[OWN], "import_ms")
    wanted, met = f"<= {WANTED_IMPORT_MS:.0f} ms", import_ms <= WANTED_IMPORT_MS
    return [*targets, Target("import stitchline", wanted, f"{import_ms:.0f} ms", met)]
