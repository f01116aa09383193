"""A desk in a branch: the clerk types the customer's number and sees what happened elsewhere.

The desk serves one customer after the other. Its type `pos` says so: it is a place and joins nobody.
"""

from __future__ import annotations

import json
import os
import urllib.request

import stitchline

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")
READ_KEY = os.environ.get("STITCHLINE_READ_KEY", KEY)

request = urllib.request.Request(
    f"{ENDPOINT}/v1/people/user/4711", headers={"Authorization": f"Bearer {READ_KEY}"}
)
with urllib.request.urlopen(request, timeout=5) as answer:
    known = json.load(answer)
print("GET /v1/people/user/4711")
offer = next(event for event in known["latest"] if event["name"] == "offer_accepted")
print(
    f"{offer['name']} in the {offer['channel']} at {offer['occurred_at'][11:16]} UTC; stage {known['stage']}"
)

with (
    stitchline.Client(ENDPOINT, KEY, channel="branch", device={"id": "desk-3", "type": "pos"}) as client,
    client.scope(user=4711, session_id="counter-17") as customer,
):
    customer.track("visit", {"branch": "Main Street", "clerk": "c-12"})
    customer.track("gold_card_handed_over", {"offer": "gold-card"}, stage="onboarding")
