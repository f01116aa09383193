"""What of a segment ClickHouse really has, asked after an insert whose first attempt may have been cut off.

Killed at the wrong moment, ClickHouse (MergeTree without replication, 26.9) can know an insert's deduplication token and not have
its rows; it then skips every later insert with that token. Seen once in 63 kills during inserts that followed one another
without pause; most likely it notes the token before it puts the new part in place. So a segment that may have been on its way when ClickHouse or the collector was
killed is compared with the table by its rows' keys.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from ..engine import Session
from ..rows import EVENT_COLUMNS, FAILED_COLUMNS
from ..wire import Device

_columns = msgspec.json.Decoder(list[Raw])  # not further: a row may hold what no decoder takes
_AT_ONCE = 500  # keys in one question: a server takes them in the address of the request
_FIRST = {"events": EVENT_COLUMNS.index("event_id"), "failed": FAILED_COLUMNS.index("failure_id")}
_DEVICE = EVENT_COLUMNS.index("device")
_TIME = FAILED_COLUMNS.index("received_at")
# By the first columns of the sorting keys, so that few granules are read.
_PRESENT = {
    "events": "SELECT DISTINCT toString(event_id) FROM events_raw "
    "WHERE device.id IN {places:Array(String)} AND event_id IN {ids:Array(UUID)}",
    "failed": "SELECT DISTINCT toString(failure_id) FROM failed_events_raw "
    "WHERE received_at >= parseDateTime64BestEffort({first:String}, 3, 'UTC') AND failure_id IN {ids:Array(UUID)}",
}


def missing(session: Session, table: str, lines: list[bytes]) -> list[int]:
    """Find the rows that are not in ClickHouse.

    Args:
        session: To ask.
        table: `events` or `failed`.
        lines: Rows of the table, as they lie in a segment.

    Returns:
        Their indices.

    Raises:
        EngineError: not now.
    """
    found = []
    for first in range(0, len(lines), _AT_ONCE):
        rows = [_columns.decode(line) for line in lines[first : first + _AT_ONCE]]
        ids = [msgspec.json.decode(row[_FIRST[table]], type=str) for row in rows]
        present = _present(session, table, rows, ids)
        found += [first + i for i, id_ in enumerate(ids) if id_ not in present]
    return found


def _present(session: Session, table: str, rows: list[list[Raw]], ids: list[str]) -> set[str]:
    parameters: dict[str, Any] = {"ids": ids}
    if table == "events":
        devices = (msgspec.json.decode(row[_DEVICE], type=Device) for row in rows)
        parameters["places"] = sorted({device.id for device in devices})
    else:
        parameters["first"] = min(msgspec.json.decode(row[_TIME], type=str) for row in rows)
    return {row[0] for row in session.query(_PRESENT[table], parameters)}
