"""Other clients' batches beside native ones: CPU an event from the body to the lines of the spool, in one process.

Contenders: the same made-up events as a native batch, and as Segment's server and browser clients, Snowplow's tracker and PostHog's
client write them. Each is decoded, enriched and compressed as in a collector; HTTP and disk are the same for all and left out. The
contenders take turns, batch by batch, and a ratio compares neighbours.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from benchmarks.events import USER_AGENTS, Traffic
from benchmarks.results import Finding, Run, Table, Target, median
from stitchline_collector.decode import Decoded, Limits, decode
from stitchline_collector.dialects import posthog, segment, snowplow
from stitchline_collector.enrich import Arrival, Enricher, lines
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.geo import GeoDatabase
from stitchline_collector.enrich.privacy import Privacy
from stitchline_collector.spool.frames import frame

EVENTS = 50  # to a batch
MOST = 2.0  # times the native cost, for a Segment batch
_LIMITS = Limits()

Read = Callable[[bytes], Decoded]


def measure(run: Run) -> Finding:
    traffic = Traffic(7)
    batches = list(traffic.batches(run.times(400, 40), EVENTS))
    contenders = {name: (write, read) for name, write, read in CONTENDERS}
    bodies = {name: [write(batch) for batch in batches] for name, (write, _) in contenders.items()}
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    run.say(f"{len(batches)} batches of {EVENTS} events, {len(contenders)} contenders in turn")
    for _ in range(3):
        enrichers = {name: Enricher(Contacts(b"k" * 32), Privacy(), GeoDatabase()) for name in contenders}
        for index in range(len(batches)):
            for name, (_, read) in contenders.items():
                spent[name].append(_cpu_us(bodies[name][index], read, enrichers[name]))
    native = spent["native"]
    rows, ratios = [], {}
    for name, costs in spent.items():
        ratios[name] = median(cost / beside for cost, beside in zip(costs, native, strict=True))
        size = sum(map(len, bodies[name])) / len(batches) / EVENTS
        rows.append([name, f"{size:,.0f}", f"{median(costs):.2f}", f"{ratios[name]:.2f}"])
    table = Table(
        "Other clients' batches beside native ones, 50 events each",
        ["", "bytes/event", "CPU us/event", "of native"],
        rows,
        "From the body to compressed lines, medians; a ratio compares the same events, one batch after the other.",
    )
    met = ratios["segment"] <= MOST
    target = Target("a Segment batch, of a native one", f"<= {MOST:g} x", f"{ratios['segment']:.2f} x", met)
    return Finding([table], [target], {"events": EVENTS, "batches": len(batches)}, [spent])


def _cpu_us(body: bytes, read: Read, enricher: Enricher) -> float:
    began = time.process_time_ns()
    decoded = read(body)
    arrival = Arrival(dt.datetime.now(dt.UTC), "bench", "203.0.113.7", "Mozilla/5.0")
    frame(lines(arrival, enricher.rows(decoded, arrival)))
    spent = time.process_time_ns() - began
    assert len(decoded.events) == EVENTS, decoded.rejected[:1]
    return spent / 1000 / EVENTS


def _segment(batch: dict[str, Any]) -> bytes:
    """As analytics-python writes it, of an app that says on which device it runs."""
    device = batch["device"]
    context = {
        "library": {"name": "analytics-python", "version": "2.4.0"},
        "device": {name: device[name] for name in ("id", "type", "manufacturer", "model") if name in device},
        "os": {"name": device["os"], "version": device["os_version"]},
        "app": {"name": "Shop", "version": "5.2.1"},
        "screen": {"width": device["screen_width"], "height": device["screen_height"]},
        "locale": device["locale"],
        "timezone": device["timezone"],
    }
    messages = []
    for event in batch["events"]:
        properties = {**event["properties"], "url": event["page"]["url"]}
        messages.append(_message(event, properties, context))
    return json.dumps({"batch": messages, "sentAt": batch["sent_at"], "writeKey": "k"}).encode()


def _segment_browser(batch: dict[str, Any]) -> bytes:
    """As analytics-next 1.84 writes a batch: each message says its page, and which browser it is."""
    device = batch["device"]
    browser = {
        "userAgent": USER_AGENTS[0],
        "userAgentData": {
            "brands": [{"brand": "Chromium", "version": "131"}, {"brand": "Not_A Brand", "version": "24"}],
            "mobile": False,
            "platform": device["os"],
        },
        "locale": device["locale"],
        "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
        "timezone": device["timezone"],
    }
    messages = []
    for event in batch["events"]:
        address = urlsplit(event["page"]["url"])
        page = {"path": address.path, "search": f"?{address.query}" if address.query else "", **event["page"]}
        message = _message(event, event["properties"], {"page": page, **browser})
        messages.append(
            {**message, "_metadata": {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []}}
        )
    body = {"batch": messages, "sentAt": batch["sent_at"], "writeKey": "k"}
    return json.dumps(body, separators=(",", ":")).encode()


def _message(event: dict[str, Any], properties: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    who = event["identifiers"]
    return {
        "type": "track",
        "event": event["name"],
        "messageId": event["event_id"],
        "userId": who.get("user"),
        "anonymousId": who["anonymous"],
        "timestamp": event["occurred_at"],
        "properties": properties,
        "context": context,
        "integrations": {},
    }


def _snowplow(batch: dict[str, Any]) -> bytes:
    device = batch["device"]
    data = []
    for event in batch["events"]:
        who = event["identifiers"]
        inner = {"schema": f"iglu:com.acme/{event['name']}/jsonschema/1-0-0", "data": event["properties"]}
        data.append(
            {
                "tv": "js-4.0.0",
                "p": "web",
                "e": "ue",
                "aid": "shop",
                "eid": event["event_id"],
                "dtm": _ms(event["occurred_at"]),
                "stm": _ms(batch["sent_at"]),
                "duid": device["id"],
                "sid": event["session_id"],
                "lang": device["locale"],
                "tz": device["timezone"],
                "res": f"{device['screen_width']}x{device['screen_height']}",
                "url": event["page"]["url"],
                "page": event["page"]["title"],
                "refr": event["page"]["referrer"],
                "ue_pr": json.dumps({"schema": "iglu:x/unstruct_event/jsonschema/1-0-0", "data": inner}),
                **({"uid": who["user"]} if "user" in who else {}),
            }
        )
    return json.dumps({"schema": "iglu:x/payload_data/jsonschema/1-0-4", "data": data}).encode()


def _posthog(batch: dict[str, Any]) -> bytes:
    device = batch["device"]
    events = [
        {
            "event": event["name"],
            "uuid": event["event_id"],
            "distinct_id": event["identifiers"].get("user", device["id"]),
            "timestamp": event["occurred_at"],
            "properties": {
                **event["properties"],
                "$device_id": device["id"],
                "$session_id": event["session_id"],
                "$os": device["os"],
                "$os_version": device["os_version"],
                "$screen_width": device["screen_width"],
                "$screen_height": device["screen_height"],
                "$current_url": event["page"]["url"],
                "$referrer": event["page"]["referrer"],
                "title": event["page"]["title"],
                "$lib": "web",
                "$lib_version": "1.300.0",
            },
        }
        for event in batch["events"]
    ]
    return json.dumps({"batch": events, "sent_at": batch["sent_at"], "api_key": "k"}).encode()


def _ms(moment: str) -> str:
    return str(int(dt.datetime.fromisoformat(moment).timestamp() * 1000))


CONTENDERS: tuple[tuple[str, Callable[[dict[str, Any]], bytes], Read], ...] = (
    ("native", lambda batch: json.dumps(batch).encode(), lambda body: decode(body, _LIMITS)),
    ("segment", _segment, lambda body: segment.open_body(body).decoded("s", _LIMITS)),
    ("segment, browser", _segment_browser, lambda body: segment.open_body(body).decoded("s", _LIMITS)),
    ("snowplow", _snowplow, lambda body: snowplow.open_body(body).decoded("s", _LIMITS)),
    ("posthog", _posthog, lambda body: posthog.open_body(body, {}, "", 1 << 24).decoded("s", _LIMITS)),
)
