"""A bank's website: a server that speaks for many browsers, so every request is a scope of its own.

Maria compares cards on her laptop, first as nobody, then signed in. The device is the id in a first-party cookie; what
she did before she signed in becomes hers afterwards.
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
    stitchline.Client(ENDPOINT, KEY, channel="web") as client,
    client.scope(device={"id": "cookie-6f1c", "type": "desktop"}, session_id="web-1") as visitor,
):
    visitor.page(
        "credit cards",
        page={"url": "https://bank.example/cards", "referrer": "https://www.google.com/"},
        stage="awareness",
        occurred_at=past(6, "19:41"),
    )
    visitor.track(
        "cards_compared", {"cards": ["classic", "gold"]}, stage="consideration", occurred_at=past(6, "19:44")
    )
    visitor.identify(user=4711, email="Maria@example.org", occurred_at=past(6, "19:47"))
    visitor.track("offer_shown", {"offer": "gold-card"}, stage="consideration", occurred_at=past(6, "19:48"))
