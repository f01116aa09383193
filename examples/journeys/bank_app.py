"""The backend of a bank's phone app: each request of a phone is a scope, with the login the app's token proves.

Maria looks at the offer at lunch, days later, and accepts it now: the last event is live.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta

import stitchline

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")
PHONE = {"id": "phone-a81e", "type": "phone", "os": "Android", "model": "Pixel 9", "app_version": "7.2.0"}


def past(days: int, clock: str) -> datetime:
    """Days ago, at a time of day: this script replays a journey. A live app leaves `occurred_at` out."""
    return datetime.fromisoformat(f"{datetime.now(UTC).date() - timedelta(days=days)}T{clock}Z")


with stitchline.Client(ENDPOINT, KEY, channel="app") as client:
    with client.scope(user=4711, device=PHONE, session_id="app-1") as maria:
        maria.screen("home", occurred_at=past(2, "11:15"))
        maria.track("offer_opened", {"offer": "gold-card"}, stage="intent", occurred_at=past(2, "11:16"))

    with client.scope(user=4711, device=PHONE, session_id="app-2") as maria:
        maria.track("offer_accepted", {"offer": "gold-card", "fee": 49.0}, stage="purchase")

    started = time.perf_counter()
    if not client.flush(timeout_s=10):
        sys.exit(f"not acknowledged within 10 s, lost: {client.losses}")
    print(f"offer_accepted: on the collector's disk after {(time.perf_counter() - started) * 1000:.0f} ms")
