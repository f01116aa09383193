"""A shop's website: somebody looks around on a laptop; a week later the link in an e-mail brings them back, signed in.

Nothing names the first visit. The sign-in of the second one, in the same browser, makes both one person's.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import stitchline

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")
LAPTOP = {"id": "cookie-17aa", "type": "desktop", "locale": "en-GB"}
MACHINE = {"sku": "espresso-3", "price": 289.0}


def past(days: int, clock: str) -> datetime:
    """Days ago, at a time of day: this script replays a journey. A live app leaves `occurred_at` out."""
    return datetime.fromisoformat(f"{datetime.now(UTC).date() - timedelta(days=days)}T{clock}Z")


with stitchline.Client(ENDPOINT, KEY, channel="web") as client:
    with client.scope(device=LAPTOP, session_id="shop-1", consent={"analytics": True}) as visitor:
        url = "https://shop.example/espresso"
        visitor.page("espresso machines", page={"url": url}, stage="awareness", occurred_at=past(8, "20:03"))
        visitor.track("product_viewed", MACHINE, stage="consideration", occurred_at=past(8, "20:05"))

    with client.scope(device=LAPTOP, session_id="shop-2", consent={"analytics": True}) as visitor:
        url = "https://shop.example/reviews?utm_source=newsletter&utm_medium=email&utm_campaign=after-sales"
        visitor.page("your order", page={"url": url}, occurred_at=past(1, "19:12"))
        visitor.identify(user=77, occurred_at=past(1, "19:13"))
        visitor.track(
            "review_written", {"sku": "espresso-3", "stars": 5}, stage="loyalty", occurred_at=past(1, "19:20")
        )
