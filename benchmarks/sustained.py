"""Ingest and loading together: one collector on the embedded engine, stitching included, for ten minutes.

First the collector is sent more than it can load for a quarter of a minute; what it loaded meanwhile says what it can. Then, with an
empty spool, `SHARE` of that is offered for ten minutes and watched every second: neither spool nor memory may grow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from benchmarks.plan import Part, Plan, Server, Slice
from benchmarks.processes import Collector, Failed, cpu_s, rss_mb, run_plan
from benchmarks.results import Finding, Run, Table, Target, median
from benchmarks.sampling import Sampled

SHARE = 0.9  # of what it loads while it is sent more, which is less than it could: receiving takes its cores
CONNECTIONS, BATCH_EVENTS = 32, 50
PREPARED_EVENTS = 100_000
BEHIND_S = 3.0  # of events in the spool at the end: more is growth, not the segment being filled
KEPT = 0.98
FLAT = 1.15  # memory of the last sixth, of that of the second: the first fills caches
DRAINED_WITHIN_S = 300


class Sample(msgspec.Struct, frozen=True):
    """The collector at one moment, counted from its start."""

    at_s: float
    accepted: float
    loaded: float
    spooled: float
    spool_mb: float
    rss_mb: float
    cpu_s: float
    stitch_lag_s: float


def measure(run: Run) -> Finding:
    probe_s, offered_s = (5, 10) if run.quick else (15, 600)
    with Collector(run.folder) as collector:
        run.say(f"as much as it takes, for {probe_s} s")
        _, flood = _offer(run, collector, 0, probe_s)
        able = (flood[-1].loaded - flood[0].loaded) / (flood[-1].at_s - flood[0].at_s)
        taken = (flood[-1].accepted - flood[0].accepted) / (flood[-1].at_s - flood[0].at_s)
        run.say(f"accepted {taken:,.0f}/s and loaded {able:,.0f}/s; waiting until all of it is loaded")
        _drain(collector)
        rate = round(able * SHARE, -2)
        run.say(f"{rate:,.0f} events/s for {offered_s} s")
        offered, samples = _offer(run, collector, rate, offered_s)
    behind = samples[-1].spooled
    limit = BEHIND_S * rate
    kept = offered.events / offered.seconds / rate
    memory = _rss_mb(samples, 5) / _rss_mb(samples, 1)
    return Finding(
        [_table(samples, rate, offered_s), _summary(samples, offered, able, taken)],
        [
            Target("rows in the spool at the end", f"< {limit:,.0f}", f"{behind:,.0f}", behind < limit),
            Target("accepted of what was offered", f">= {KEPT:.0%}", f"{kept:.0%}", kept >= KEPT),
            Target("memory in the last sixth, of the second", f"<= {FLAT}", f"{memory:.2f}", memory <= FLAT),
        ],
        {
            "flood_s": probe_s,
            "share": SHARE,
            "rate": rate,
            "seconds": offered_s,
            "batch_events": BATCH_EVENTS,
        },
        [
            {
                "flood": msgspec.to_builtins(flood),
                "sustained": msgspec.to_builtins(samples),
                "offered": msgspec.to_builtins(offered),
            }
        ],
    )


def _offer(run: Run, collector: Collector, rate: float, seconds: float) -> tuple[Slice, list[Sample]]:
    servers = [Server("collector", collector.port, True, collector.pid)]
    plan = Plan(
        servers,
        [Part("collector", seconds, rate)],
        CONNECTIONS,
        BATCH_EVENTS,
        PREPARED_EVENTS,
        seed=int(rate),
    )
    lines = run_plan(plan, run.folder / "generator.log")
    next(lines)  # it is connected and begins
    with Sampled(lambda: _sample(collector)) as sampled:
        result = msgspec.json.decode(next(lines), type=Slice)
    lines.close()
    if result.failed or not sampled.found:
        raise Failed(f"{result.failed} refused requests, {len(sampled.found)} samples")
    return result, sampled.found


def _sample(collector: Collector) -> Sample:
    found = collector.metrics()
    return Sample(
        time.monotonic(),
        found["stitchline_events_accepted_total"],
        found['stitchline_rows_loaded_total{kind="accepted"}'],
        found['stitchline_rows_spooled{kind="accepted"}'],
        found["stitchline_spool_bytes"] / 1e6,
        rss_mb(collector.pid),
        cpu_s(collector.pid),
        found.get("stitchline_stitch_lag_seconds", 0.0),
    )


def _drain(collector: Collector) -> None:
    deadline = time.monotonic() + DRAINED_WITHIN_S
    while (left := _sample(collector).spooled) > 0:
        if time.monotonic() > deadline:
            raise Failed(f"{left:,.0f} rows are still in the spool after {DRAINED_WITHIN_S} s")
        time.sleep(0.5)


def _table(samples: list[Sample], rate: float, seconds: int) -> Table:
    rows = []
    for first, last in _spans(samples, max(1, seconds // 6)):
        span = last.at_s - first.at_s
        row = [f"{first.at_s - samples[0].at_s:.0f} to {last.at_s - samples[0].at_s:.0f} s"]
        row += [
            f"{(last.accepted - first.accepted) / span:,.0f}",
            f"{(last.loaded - first.loaded) / span:,.0f}",
        ]
        row += [
            f"{last.spooled:,.0f}",
            f"{last.spool_mb:.1f}",
            f"{last.rss_mb:,.0f}",
            f"{(last.cpu_s - first.cpu_s) / span:.2f}",
            f"{(last.cpu_s - first.cpu_s) / (last.loaded - first.loaded) * 1e6:.0f}",
        ]
        rows.append(row)
    columns = ["time", "accepted/s", "loaded/s", "spooled", "spool MB", "RSS MB", "cores", "us/event"]
    return Table(f"{rate:,.0f} events/s offered to one collector, ClickHouse embedded", columns, rows)


def _rss_mb(samples: list[Sample], sixth: int) -> float:
    size = len(samples) / 6
    return median(one.rss_mb for one in samples[round(sixth * size) : round((sixth + 1) * size)])


def _spans(samples: list[Sample], seconds: float) -> Iterator[tuple[Sample, Sample]]:
    first = samples[0]
    for sample in samples[1:]:
        if sample.at_s - first.at_s >= seconds - 0.5:
            yield first, sample
            first = sample


def _summary(samples: list[Sample], offered: Slice, able: float, taken: float) -> Table:
    rows = [
        ["accepted/s while sent as much as it takes", f"{taken:,.0f}"],
        ["loaded/s meanwhile", f"{able:,.0f}"],
        ["accepted/s, sustained", f"{offered.events / offered.seconds:,.0f}"],
        ["reply p50, ms", f"{offered.p50_ms:.1f}"],
        ["reply p99, ms", f"{offered.p99_ms:.1f}"],
        ["stitching behind, median s", f"{median(sample.stitch_lag_s for sample in samples):.2f}"],
        ["stitching behind, most s", f"{max(sample.stitch_lag_s for sample in samples):.2f}"],
    ]
    return Table("Both together", ["", "measured"], rows)
