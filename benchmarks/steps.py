"""Where the event path's time goes: each step's CPU an event beside the least that such a step could cost.

Contenders: the steps between the body and the compressed lines of the spool, on the same made-up batches, in one process. The limit of a
step does its unavoidable part and nothing else, right after it: finding where events begin and end, making an object of as many
fields, copying the bytes. HTTP and the disk are measured by `ingest`.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks.events import USER_AGENTS, Traffic
from benchmarks.results import Finding, Run, Table, median
from stitchline_collector.decode import Limits, decode
from stitchline_collector.enrich import Arrival, Enricher, lines
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.geo import GeoDatabase
from stitchline_collector.enrich.pipeline import rows_of
from stitchline_collector.enrich.privacy import Privacy
from stitchline_collector.rows import Row
from stitchline_collector.spool.frames import frame

SIZES = (50, 1)  # events to a batch
_BATCHES = 100  # to a round, whose median is kept
_LIMITS = Limits()
_STEPS = {
    "Clocks": "clock: how far the sender's was off",
    "GeoDatabase": "geo: country, region, city (no database)",
    "truncate_ip": "address cut to its network",
    "UserAgents": "user agent, mostly remembered",
    "campaign": "campaign from URL and referrer",
    "channel": "channel from device, page and agent",
    "Contacts": "e-mail and phone hashed",
    "Privacy": "consent",
}


class _Borders(msgspec.Struct, gc=False):
    events: list[msgspec.Raw]


_borders = msgspec.json.Decoder(_Borders)


Spent = dict[str, list[float]]


class _Stopwatch:
    """CPU microseconds an event, by step."""

    def __init__(self, events: int) -> None:
        self.spent: Spent = {}
        self._events = events

    def __call__(self, step: str, work: Callable[[], Any]) -> Any:
        began = time.thread_time_ns()
        made = work()
        self.spent.setdefault(step, []).append((time.thread_time_ns() - began) / 1000 / self._events)
        return made


def measure(run: Run) -> Finding:
    spent = {events: _walk(run, events) for events in SIZES}
    tables = [_table(events, steps) for events, steps in spent.items()]
    return Finding(tables, [], {"batches": _BATCHES}, list(spent.values()))


def _walk(run: Run, events: int) -> Spent:
    traffic = Traffic(7)
    bodies = [json.dumps(batch).encode() for batch in traffic.batches(_BATCHES, events)]
    enricher = Enricher(Contacts(b"k" * 32), Privacy(), GeoDatabase())
    rounds = run.times(12, 2)
    run.say(f"{rounds} rounds of {_BATCHES} batches, {events} events each")
    kept: Spent = {}
    for _ in range(rounds):
        watch = _Stopwatch(events)
        for index, body in enumerate(bodies):
            address, agent = f"203.0.113.{index}", USER_AGENTS[index % len(USER_AGENTS)]
            _path(watch, enricher, body, Arrival(dt.datetime.now(dt.UTC), "bench", address, agent))
        for step, times in watch.spent.items():
            kept.setdefault(step, []).append(round(median(times), 3))
    return kept


def _path(watch: _Stopwatch, enricher: Enricher, body: bytes, arrival: Arrival) -> None:
    decoded = watch("decode", lambda: decode(body, _LIMITS))
    watch("decode, limit", lambda: _borders.decode(body))
    rows: list[Row] = watch("rows", lambda: rows_of(decoded, arrival))
    one = rows[0]
    watch("rows, limit", lambda: [_copy(one) for _ in rows])
    for step in enricher.steps:
        name = getattr(step, "__name__", type(step).__name__)
        watch(name, lambda step=step: step(arrival, rows))  # type: ignore[misc]
    written = watch("lines", lambda: lines(arrival, rows))
    single = written.splitlines(keepends=True)
    watch("lines, limit", lambda: b"".join(single))
    watch("frame", lambda: frame(written))


def _copy(row: Row) -> Row:
    return Row(
        *(
            row.event_id,
            row.type,
            row.name,
            row.occurred_at,
            row.device_time,
            row.seq,
            row.identifiers,
            row.linked,
        ),
        *(
            row.channel,
            row.stage,
            row.session_id,
            row.page,
            row.campaign,
            row.consent,
            row.properties,
            row.tail,
        ),
    )


def _table(events: int, spent: Spent) -> Table:
    costs = {name: median(times) for name, times in spent.items()}
    named = {
        "decode": "decode and validate",
        "rows": "a row for each event",
        **_STEPS,
        "lines": "lines of the spool",
        "frame": "zstd, level 1, with checksum",
    }
    whole = sum(costs[name] for name in named)
    rows = [
        [
            words,
            f"{costs[name]:.2f}",
            f"{costs[name] / whole:.0%}",
            f"{costs[f'{name}, limit']:.2f}" if f"{name}, limit" in costs else "",
        ]
        for name, words in named.items()
    ]
    rows.append(["all", f"{whole:.2f}", "100%", ""])
    return Table(
        f"Each step of the event path, {events} event{'s' if events > 1 else ''} to a batch",
        ["", "CPU us/event", "share", "limit"],
        rows,
        "Medians of rounds. Limit: finding the events' borders; objects of as many fields; copying the bytes.",
    )
