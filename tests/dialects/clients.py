"""What the tests of other products' clients share: keys, and questions about what arrived."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.processes import CollectorProcess

WEB_KEY = "web-key-1"  # public, kind write
BACKEND_KEY = "backend-key-1"  # kind server
APP_ID = "shop-app-1"  # a Snowplow app id that stands as a key
SLOW_KEY = "slow-key-1"  # 100 events a second, 1,000 at once
SLOWER_KEYS = {  # 10 events a second, 100 at once
    name: f"slower-{name}-1" for name in ("segment", "rudder", "snowplow", "posthog")
}
_COLUMNS = (
    "toString(event_id) AS event_id, toString(type) AS type, name, identifiers, linked, channel, session_id, page, campaign, "
    "consent, properties, device, source, sdk, toString(occurred_at) AS at, toString(device_time) AS device_time, by_server, ip"
)


def arrived(
    service: CollectorProcess, where: str, count: int, *, within_s: float = 60
) -> list[dict[str, Any]]:
    """The events that match, oldest first, once there are so many; fails if there are others in the end."""
    query = f"SELECT {_COLUMNS} FROM events WHERE {where} ORDER BY device_time, name"
    deadline = time.monotonic() + within_s
    while True:
        status, _, answer = service.request("POST", "/v1/sql?format=JSON", query.encode())
        assert status == 200, answer
        rows = list(json.loads(answer)["data"])
        if len(rows) >= count or time.monotonic() > deadline:
            assert len(rows) == count, f"{len(rows)} of {count}: {rows}\n{service.log()[-2000:]}"
            return rows
        time.sleep(0.1)


def failed(service: CollectorProcess, where: str, count: int) -> list[dict[str, Any]]:
    """The rejected events that match, once there are so many."""
    query = f"SELECT kind, source, reason, path, raw, event_id FROM failed_events WHERE {where}"
    deadline = time.monotonic() + 60
    while True:
        status, _, answer = service.request("POST", "/v1/sql?format=JSON", query.encode())
        assert status == 200, answer
        rows = list(json.loads(answer)["data"])
        if len(rows) >= count or time.monotonic() > deadline:
            assert len(rows) == count, f"{len(rows)} of {count}: {rows}\n{service.log()[-2000:]}"
            return rows
        time.sleep(0.1)


def person_of(service: CollectorProcess, where: str) -> set[str]:
    """The persons that the events which match belong to now."""
    rows = service.sql(f"SELECT DISTINCT toString(person_id) FROM person_events WHERE {where}")
    return {row[0] for row in rows}


def overdraw(service: CollectorProcess, key: str) -> None:
    """Spend more than one of the slower keys may send at once: for 5 seconds it is told to wait."""
    events = [{"type": "track", "name": "used_up"}] * 150
    given = {"Authorization": f"Bearer {key}"}
    status, _, answer = service.request("POST", "/v1/events", json.dumps({"events": events}).encode(), given)
    assert status == 200, answer


def use_up(service: CollectorProcess) -> None:
    """Spend what the slow key may send at once, so that the next request is told to wait."""
    for count in (1000, 150):
        events = [{"type": "track", "name": "used_up"}] * count
        status, _, answer = service.request(
            "POST",
            "/v1/events",
            json.dumps({"events": events}).encode(),
            {"Authorization": f"Bearer {SLOW_KEY}"},
        )
        assert status in (200, 429), answer  # 429: an earlier test has used it up
