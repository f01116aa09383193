"""Bytes an event: on the wire, in the spool, and in ClickHouse by column.

A spool is filled over HTTP and loaded into the embedded engine; the table's parts are then merged into one a partition, as they are some
time after.
"""

from __future__ import annotations

import msgspec

from benchmarks import spooled
from benchmarks.events import Traffic
from benchmarks.results import Finding, Run, Table
from stitchline_collector import migrate
from stitchline_collector.engine import Engine, Session
from stitchline_collector.load.insert import insert_segment
from stitchline_collector.spool import read_lines

LISTED = 0.5  # bytes an event; smaller columns are summed up
_SIZES = (
    "SELECT column, sum(column_data_compressed_bytes + column_marks_bytes) FROM system.parts_columns "
    "WHERE active AND database = currentDatabase() AND table = 'events_raw' GROUP BY column"
)
_INDEXES = (
    "SELECT sum(secondary_indices_compressed_bytes + secondary_indices_marks_bytes + primary_key_size) "
    "FROM system.parts WHERE active AND database = currentDatabase() AND table = 'events_raw'"
)


def measure(run: Run) -> Finding:
    events = 60_000 if run.quick else 500_000
    run.say(f"sending {events:,} events to fill a spool")
    spool = spooled.fill(run.folder / "spool", events)
    waiting = spooled.segments(spool)
    wire = sum(len(msgspec.json.encode(batch)) for batch in Traffic(1).batches(200, 50)) / 10_000
    lines = read_lines(waiting[0].path.read_bytes())
    run.say("loading and merging them")
    with Engine.open(f"chdb://{run.folder / 'clickhouse'}", database="bench") as engine:
        migrate.apply(engine)
        session = engine.session()
        for segment in waiting:
            insert_segment(session, segment)
        session.command("OPTIMIZE TABLE events_raw FINAL")
        columns = _columns(session, events)
        session.close()
    path = {
        "JSON over HTTP, 50 events a request": wire,
        "a line of the spool, before zstd": sum(map(len, lines)) / len(lines) + 1,
        "the spool on disk": sum(segment.size for segment in waiting) / events,
        "ClickHouse, merged, indexes included": sum(columns.values()),
    }
    return Finding(
        [_path(path), _listed(columns)], [], {"events": events}, [{"path": path, "columns": columns}]
    )


def _columns(session: Session, events: int) -> dict[str, float]:
    sizes = {name: size / events for name, size in session.query(_SIZES)}
    return sizes | {"(keys and skip indexes)": session.query(_INDEXES)[0][0] / events}


def _path(path: dict[str, float]) -> Table:
    return Table(
        "Bytes an event on its way", ["", "bytes"], [[name, f"{size:.1f}"] for name, size in path.items()]
    )


def _listed(columns: dict[str, float]) -> Table:
    ordered = sorted(columns.items(), key=lambda pair: -pair[1])
    rows = [[name, f"{size:.2f}"] for name, size in ordered if size >= LISTED]
    small = [size for _, size in ordered if size < LISTED]
    return Table(
        "Bytes an event in ClickHouse, by column",
        ["", "bytes"],
        [*rows, [f"{len(small)} smaller ones", f"{sum(small):.2f}"]],
    )
