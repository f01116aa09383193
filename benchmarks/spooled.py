"""A spool as the real event path writes it, to be loaded by contenders.

In: how many events. Out: sealed segments on disk. Guaranteed: every event went over HTTP, and was acknowledged.
"""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec

from benchmarks.plan import Part, Plan, Server, Slice
from benchmarks.processes import Collector, Failed, away, run_plan
from stitchline_collector.spool.folder import recover_segment
from stitchline_collector.spool.segment import SEALED, Segment

BATCH_EVENTS = 50


def fill(folder: Path, events: int) -> Path:
    """Send events to a collector whose ClickHouse is away, and end it.

    Args:
        folder: for its data.
        events: how many; a multiple of 50.

    Returns:
        The spool folder with the segments.
    """
    with Collector(folder, away(), settings={"stop_timeout_s": 0.1}) as collector:
        servers = [Server("collector", collector.port, True, collector.pid)]
        plan = Plan(servers, [Part("collector", 600, events=events)], 32, BATCH_EVENTS, events)
        _connected, line = run_plan(plan, folder / "generator.log")
        collector.end(signal.SIGTERM)
    sent = msgspec.json.decode(line, type=Slice).events
    (path,) = (path for path in (collector.data / "spool").iterdir() if path.is_dir())
    kept = sum(segment.rows for segment in segments(path))
    if sent != events or kept != events:
        raise Failed(f"{events:,} events were to be sent, {sent:,} were acknowledged, {kept:,} are on disk")
    return path


def segments(folder: Path) -> list[Segment]:
    """The sealed segments of a spool folder, oldest first."""
    found = (recover_segment(path) for path in sorted(folder.glob(f"*{SEALED}")))
    return [segment for segment in found if segment is not None]
