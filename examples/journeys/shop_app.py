"""A shop's own app on one phone: the Client is the device, remembers who signed in, and makes the sessions itself."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import stitchline

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")
MACHINE = {"sku": "espresso-3", "price": 289.0}


def past(days: int, clock: str) -> datetime:
    """Days ago, at a time of day: this script replays a journey. A live app leaves `occurred_at` out."""
    return datetime.fromisoformat(f"{datetime.now(UTC).date() - timedelta(days=days)}T{clock}Z")


stitchline.init(
    ENDPOINT,
    KEY,
    channel="app",
    app_version="3.1.0",
    device={"id": "phone-51d0", "type": "phone", "os": "iOS", "os_version": "18.1"},
)
stitchline.identify(user=77, email="tom@example.org", occurred_at=past(7, "07:50"))
stitchline.screen("product", MACHINE, stage="consideration", occurred_at=past(7, "07:51"))
stitchline.track("cart_filled", MACHINE, stage="intent", occurred_at=past(7, "07:53"))
stitchline.track(
    "order_completed", {"order": "o-5531", "total": 289.0}, stage="purchase", occurred_at=past(7, "07:55")
)
stitchline.close()
