"""The tablet on a dealer's counter: many people touch it, so it is a place and joins nobody.

Type `pos` says so. Each visit is named by the e-mail of the booking, and ended by `logout`.
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


with stitchline.Client(ENDPOINT, KEY, channel="store", device={"id": "pos-north-1", "type": "pos"}) as client:
    client.identify(email="lena@example.org", occurred_at=past(4, "09:30"))
    client.track("test_drive_started", {"model": "EV3"}, stage="intent", occurred_at=past(4, "09:36"))
    client.track("test_drive_ended", {"km": 14.2}, occurred_at=past(4, "10:05"))
    client.logout(occurred_at=past(4, "10:06"))
