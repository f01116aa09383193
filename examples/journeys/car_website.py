"""A car maker's website: a landing page and a form. Nobody signs in; the form's e-mail and phone number name the person.

Both are normalised and hashed before they leave this process. The campaign is read from the page's address.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import stitchline

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")
LANDING = "https://cars.example/ev3?utm_source=instagram&utm_medium=paid_social&utm_campaign=autumn-ev"


def past(days: int, clock: str) -> datetime:
    """Days ago, at a time of day: this script replays a journey. A live app leaves `occurred_at` out."""
    return datetime.fromisoformat(f"{datetime.now(UTC).date() - timedelta(days=days)}T{clock}Z")


with (
    stitchline.Client(ENDPOINT, KEY) as client,
    client.scope(
        device={"id": "cookie-b220", "type": "phone"}, channel="mobile_web", session_id="site-1"
    ) as visitor,
):
    visitor.page("EV3", page={"url": LANDING}, stage="awareness", occurred_at=past(9, "18:02"))
    visitor.track(
        "car_configured",
        {"model": "EV3", "price": 36990},
        stage="consideration",
        occurred_at=past(9, "18:09"),
    )
    visitor.identify(email="lena@example.org", phone="+49 30 901820", occurred_at=past(9, "18:15"))
    visitor.track("test_drive_requested", {"dealer": "north"}, stage="intent", occurred_at=past(9, "18:16"))
