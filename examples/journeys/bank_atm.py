"""A cash machine: it asks who stands before it, and keeps its own events on disk while the network is away.

The card is in and the PIN was right, so the machine knows the customer's number. It asks the collector for that person
until it sees the offer, for 10 s at most; a real machine would ask once and greet with what it knows.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from typing import Any

import stitchline

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")
READ_KEY = os.environ.get("STITCHLINE_READ_KEY", KEY)
OFFLINE = os.environ.get("ATM_OFFLINE_DIR") or tempfile.mkdtemp(
    prefix="atm-"
)  # a real one has a fixed folder


def person(namespace: str, value: str) -> dict[str, Any]:
    """Ask who somebody is; nobody is an empty answer."""
    path = f"/v1/people/{namespace}/{urllib.parse.quote(value)}"
    request = urllib.request.Request(ENDPOINT + path, headers={"Authorization": f"Bearer {READ_KEY}"})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return {}
        raise


def wait_for(name: str, within_s: float) -> tuple[dict[str, Any], int]:
    """Ask until the person's latest events hold one of today; returns that event and how often it asked."""
    deadline = time.monotonic() + within_s
    asked = 0
    while time.monotonic() < deadline:
        asked += 1
        for event in person("user", "4711").get("latest", []):
            if event["name"] == name and event["occurred_at"][:10] == str(datetime.now(UTC).date()):
                return event, asked
        time.sleep(0.1)
    sys.exit(f"no {name} after {within_s} s")


with stitchline.Client(
    ENDPOINT,
    KEY,
    channel="atm",
    device={"id": "atm-0042", "type": "atm", "manufacturer": "Diebold", "model": "DN200"},
    offline_dir=OFFLINE,
) as client:
    client.identify(user=4711)
    accepted, asked = wait_for("offer_accepted", within_s=10)
    age_s = datetime.now(UTC).timestamp() - datetime.fromisoformat(accepted["occurred_at"]).timestamp()
    print("GET /v1/people/user/4711")
    print(
        f"offer_accepted in the {accepted['channel']}, {age_s:.2f} s ago (asked {asked} time{'s' * (asked > 1)})"
    )
    print('"Your gold card is on its way, Maria. Your new limit already holds here."')
    client.track("offer_recognised", {"offer": "gold-card"}, stage="onboarding")
    client.track("cash_withdrawn", {"amount": 200})
    client.logout()
