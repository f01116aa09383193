"""A call centre: the caller's number is all it has, and it is enough.

The same number, typed as the network shows it, meets the one from the website's form.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import stitchline

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")


def past(days: int, clock: str) -> datetime:
    """Days ago, at a time of day: this script replays a journey. A live app leaves `occurred_at` out."""
    return datetime.fromisoformat(f"{datetime.now(UTC).date() - timedelta(days=days)}T{clock}Z")


with (
    stitchline.Client(ENDPOINT, KEY, channel="call_center") as client,
    client.scope(phone="+4930901820", session_id="call-90210") as caller,
):
    caller.track("call_answered", {"queue": "sales", "wait_s": 21}, occurred_at=past(3, "14:20"))
    caller.track(
        "car_ordered", {"model": "EV3", "price": 36990}, stage="purchase", occurred_at=past(3, "14:31")
    )
