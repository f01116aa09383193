"""More than it can take: what one collector process accepts when twice and five times that is offered, beside what it accepts at most.

Contenders: the same collector, sent as much as it takes over few connections, and then a rate over many, in turn. A refused request is not
repeated at once: its sender would come back after `Retry-After`, and is one of those who send then. The last table has two
senders at the same time, one that floods and one that sends a little under a key of its own.

ClickHouse is away, so that only ingest is measured; collector and generators have a core each.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from benchmarks.plan import Part, Plan, Server, Slice
from benchmarks.processes import (
    FIRST_CORE,
    MODEST_KEY,
    WRITE_KEY,
    Collector,
    away,
    rss_mb,
    run_plan,
)
from benchmarks.results import Finding, Run, Table, Target, median

BATCH_EVENTS = 50
FEW, MANY = 64, 4_000  # connections
PREPARED_EVENTS = 20_000
TIMES = (0.5, 1.0, 2.0, 5.0)  # of what it takes at most
MODEST = 0.05
LEVEL = 0.8  # of the most, to be accepted at five times as much
HALF_LOAD_P99_MS = 20


class Measured(msgspec.Struct):
    """One rate.

    Attributes:
        times: of the most that it takes.
        rate: offered, events a second.
        most: accepted events a second just before, sent as much as it takes.
        offered: what became of it.
        rss_mb: of the collector afterwards.
    """

    times: float
    rate: float
    most: float
    offered: Slice
    rss_mb: float

    @property
    def accepted(self) -> float:
        """Events a second."""
        return self.offered.events / self.offered.seconds


def measure(run: Run) -> Finding:
    rounds, seconds = run.times(3), 4 if run.quick else 10
    with Collector(run.folder, away(), FIRST_CORE) as collector:
        run.say("warming up")
        _send(run, collector, Part("collector", 2), FEW)
        measured = []
        for turn in range(rounds):
            for times in TIMES:
                run.say(f"round {turn + 1} of {rounds}: {times:g} times what it takes")
                measured.append(_one(run, collector, times, seconds))
        run.say("two senders at once")
        flood, modest = _together(run, collector, 5 * median(one.most for one in measured), seconds)
    kept = {times: _of(measured, times, lambda one: one.accepted / one.most) for times in TIMES}
    p99 = _of(measured, 0.5, lambda one: one.offered.p99_ms)
    modest_kept = modest.requests / (modest.requests + modest.failed)
    return Finding(
        [_table(measured), _senders(flood, modest)],
        [
            Target("accepted at 5 x, of the most", f">= {LEVEL:.0%}", f"{kept[5.0]:.0%}", kept[5.0] >= LEVEL),
            Target(
                "reply p99 at half load",
                f"<= {HALF_LOAD_P99_MS} ms",
                f"{p99:.0f} ms",
                p99 <= HALF_LOAD_P99_MS,
            ),
            Target("a small sender's, beside a flood", ">= 99%", f"{modest_kept:.1%}", modest_kept >= 0.99),
        ],
        {"rounds": rounds, "seconds": seconds, "few": FEW, "many": MANY, "batch_events": BATCH_EVENTS},
        [msgspec.to_builtins(one) for one in (*measured, flood, modest)],
    )


def _one(run: Run, collector: Collector, times: float, seconds: float) -> Measured:
    at_most = _send(run, collector, Part("collector", seconds / 2), FEW)
    most = at_most.events / at_most.seconds
    rate = round(times * most, -2)
    connections = MANY if times > 1 else FEW
    offered = _send(run, collector, Part("collector", seconds, rate), connections)
    return Measured(times, rate, most, offered, rss_mb(collector.pid))


def _send(run: Run, collector: Collector, part: Part, connections: int, key: str = WRITE_KEY) -> Slice:
    servers = [Server("collector", collector.port, True, collector.pid)]
    plan = Plan(servers, [part], connections, BATCH_EVENTS, PREPARED_EVENTS, key=key)
    _, line = run_plan(plan, run.folder / "generator.log")
    return msgspec.json.decode(line, type=Slice)


def _together(run: Run, collector: Collector, most: float, seconds: float) -> tuple[Slice, Slice]:
    """A flood, and a little of somebody else meanwhile."""
    send = partial(_send, run, collector)
    with ThreadPoolExecutor(2) as both:
        flood = both.submit(send, Part("collector", seconds * 1.5, most), MANY)
        modest = both.submit(send, Part("collector", seconds, most / 5 * MODEST), FEW, MODEST_KEY)
        return flood.result(), modest.result()


def _of(measured: list[Measured], times: float, what: Callable[[Measured], float]) -> float:
    return median(what(one) for one in measured if one.times == times)


def _table(measured: list[Measured]) -> Table:
    rows = []
    for times in TIMES:
        found = [one for one in measured if one.times == times]
        rows.append(
            [
                f"{times:g} x",
                f"{median(one.rate for one in found):,.0f}",
                f"{median(one.accepted for one in found):,.0f}",
                f"{median(one.accepted / one.most for one in found):.0%}",
                f"{median(one.offered.failed / one.offered.seconds for one in found):,.0f}",
                f"{median(one.offered.p50_ms for one in found):,.0f}",
                f"{median(one.offered.p99_ms for one in found):,.0f}",
                f"{median(one.rss_mb for one in found):,.0f}",
            ]
        )
    columns = ["offered", "events/s", "accepted/s", "of most", "503/s", "p50 ms", "p99 ms", "RSS MB"]
    note = (
        f"Up to 1 x over {FEW} connections, above over {MANY:,}. Times are those of accepted requests. Above what the generator's core can "
        "send, and while all connections wait for a reply, less is sent than offered."
    )
    return Table("Offered more than it takes, 50 events a request", columns, rows, note)


def _senders(flood: Slice, modest: Slice) -> Table:
    rows = [
        [
            name,
            f"{one.events / one.seconds:,.0f}",
            f"{one.requests / (one.requests + one.failed):.1%}",
            f"{one.p99_ms:,.0f}",
        ]
        for name, one in (("flood, 5 x", flood), ("small sender", modest))
    ]
    return Table("Two senders at once", ["", "accepted/s", "of its requests", "p99 ms"], rows)
