"""New events, for eyes: what arrived since the last look.

Enters: a cursor. Leaves: events and the next cursor. Guaranteed: an event that became visible within `OVERLAP_S` of its
arrival is told at least once; the same one may be told again, so compare `event_id`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from ..engine import Reader
from .questions import questions

# Segments become visible a little out of order, so each look goes back a little behind the last one.
OVERLAP_S = 5
_FIRST_LOOK = dt.timedelta(hours=1)


def arrived(reader: Reader, cursor: str, name: str, events: int, now: dt.datetime) -> dict[str, Any]:
    """Tell the events that arrived after a cursor.

    Args:
        reader: of this thread.
        cursor: of the last answer; empty for the latest events of the last hour.
        name: only events of this name; empty for all.
        events: at most so many, the newest.
        now: the time.

    Returns:
        `events`, oldest first, and the next `cursor`.

    Raises:
        ValueError: the cursor is not one of ours.
    """
    since = dt.datetime.fromisoformat(cursor) if cursor else now - _FIRST_LOOK
    if since.tzinfo is None:
        raise ValueError("a cursor has a zone")
    after = (since - dt.timedelta(seconds=OVERLAP_S if cursor else 0)).astimezone(dt.UTC)
    rows = reader.query(
        questions()["tail"].sql,
        {"after": after.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], "name": name, "events": events},
    ).dicts()
    newest = max((row["received_at"] for row in rows), default=since if cursor else now)
    return {"cursor": max(newest, since).isoformat(), "events": [_plain(row) for row in rows]}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    device = {"id": row.pop("device_id"), "type": row.pop("device_type")}
    times = {name: row[name].isoformat(timespec="milliseconds") for name in ("received_at", "occurred_at")}
    return {**row, **times, "event_id": str(row["event_id"]), "device": device}
