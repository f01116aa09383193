"""Lines of `events_raw`, as the loader sends them."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from backports import zstd

if TYPE_CHECKING:
    from stitchline_collector.engine import Session

COLUMNS = (
    "event_id type name occurred_at device_time seq identifiers linked channel stage session_id page campaign consent "
    "properties device sent_at received_at source sdk ip geo agent clock"
).split()
TIME = "2026-11-22T10:00:00.123Z"


def event(event_id: int = 1, **columns: Any) -> dict[str, Any]:
    """Return the columns of one event; those given replace the usual ones."""
    usual: dict[str, Any] = {
        "event_id": str(uuid.UUID(int=event_id)),
        "type": "track",
        "name": "product_viewed",
        "occurred_at": TIME,
        "device_time": TIME,
        "seq": event_id,
        "identifiers": {"user": "42"},
        "linked": {},
        "channel": "app",
        "stage": "",
        "session_id": "s",
        "page": {"url": "https://shop.example/"},
        "campaign": {},
        "consent": {"analytics": True},
        "properties": {"price": 79.9},
        "device": {"id": "phone-1", "type": "phone"},
        "sent_at": TIME,
        "received_at": TIME,
        "source": "shop",
        "sdk": {"name": "stitchline-python", "version": "0.1.0"},
        "ip": "203.0.113.0",
        "geo": {"country": "DE"},
        "agent": {},
        "clock": {},
        "by_server": False,
    }
    assert not columns.keys() - usual.keys()
    return usual | columns


def line(row: dict[str, Any], **raw: bytes) -> bytes:
    """Return a row as one line; a column given as bytes stands in it as it is."""
    cells = [raw.get(column) or json.dumps(row[column]).encode() for column in COLUMNS]
    return b"[" + b",".join(cells) + b"]\n"


def insert(session: Session, *lines: bytes, token: str = "", **settings: Any) -> None:
    """Insert lines as one segment; each line becomes a zstd frame of its own."""
    session.insert_body(
        "events_raw",
        COLUMNS,
        b"".join(zstd.compress(one) for one in lines),
        "JSONCompactEachRow",
        "zstd",
        {
            "date_time_input_format": "best_effort",
            "insert_deduplication_token": token or uuid.uuid4().hex,
            # Texts stay texts, and of a key given twice the first counts.
            "input_format_try_infer_dates": 0,
            "input_format_try_infer_datetimes": 0,
            "type_json_skip_duplicated_paths": 1,
            **settings,
        },
    )
