"""PostHog's Python client, as it comes from PyPI, against a running collector."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from posthog import Posthog

from tests.dialects.clients import BACKEND_KEY, SLOW_KEY, WEB_KEY, arrived, failed, use_up
from tests.processes import CollectorProcess

WHEN = dt.datetime(2026, 11, 22, 10, 0, 0, 123000, tzinfo=dt.UTC)
EVENT_ID = "7b0a3a90-95d3-4d7a-8b1c-5a1e5a1e5a1e"
ANONYMOUS = "0199aabb-0000-7000-8000-00000000000"  # and one digit

Make = Callable[..., Posthog]


@pytest.fixture
def client(service: CollectorProcess) -> Iterator[Make]:
    """Make a client: `client(key, gzip=True)`."""
    made: list[Posthog] = []

    def make(key: str = WEB_KEY, **options: Any) -> Posthog:
        one = Posthog(key, host=service.url, **options)
        made.append(one)
        return one

    yield make
    for one in made:
        one.shutdown()


def of(user: str) -> str:
    return f"identifiers['user'] = '{user}'"


def test_every_call_arrives_once_with_its_fields(client: Make, service: CollectorProcess) -> None:
    posthog, user = client(), "calls-1"
    posthog.capture(
        "order_completed",
        distinct_id=user,
        properties={
            "total": 289.5,
            "$current_url": "https://shop.example/cart?utm_source=news",
            "$session_id": "s-1",
            "$device_id": "dev-1",
            "$ip": "203.0.113.77",
        },
        timestamp=WHEN,
        uuid=EVENT_ID,
        groups={"company": "acme"},
    )
    posthog.capture(
        "$pageview", distinct_id=user, properties={"$current_url": "https://shop.example/"}, timestamp=WHEN
    )
    posthog.set(distinct_id=user, properties={"email": "ada@example.org", "plan": "gold"}, timestamp=WHEN)
    posthog.set_once(distinct_id=user, properties={"first_seen": "today"}, timestamp=WHEN)
    posthog.group_identify("company", "acme", {"seats": 5}, distinct_id=user, timestamp=WHEN)
    posthog.capture_exception(ValueError("broken"), distinct_id=user)
    posthog.flush()

    found = arrived(service, of(user), 6)
    rows = {(row["type"], row["name"]): row for row in found}

    assert set(rows) == {
        ("track", "order_completed"),
        ("page", "page"),
        ("identify", "$set"),
        ("identify", "$set_once"),
        ("track", "$groupidentify"),
        ("track", "$exception"),
    }
    order = rows["track", "order_completed"]
    assert (order["event_id"], order["device_time"]) == (EVENT_ID, "2026-11-22 10:00:00.123")
    assert (order["session_id"], order["device"]["id"]) == ("s-1", "dev-1")
    assert order["device"]["os"] == ""  # the server's, not the person's
    assert (order["page"]["url"], order["campaign"]["source"]) == (
        "https://shop.example/cart?utm_source=news",
        "news",
    )
    assert (order["properties"]["total"], order["properties"]["$ip"]) == (289.5, "203.0.113.0")
    assert order["properties"]["$groups"]["company"] == "acme"
    assert (order["source"], order["sdk"]["name"]) == ("web", "posthog-python")
    person = rows["identify", "$set"]
    assert len(person["identifiers"]["email"]) == 32  # hashed twice
    assert person["properties"]["$set"] == {"plan": "gold"}
    assert "ada@example.org" not in json.dumps(person)


def test_an_alias_joins_what_was_done_before_a_sign_in(client: Make, service: CollectorProcess) -> None:
    posthog, user, before = client(), "alias-1", f"{ANONYMOUS}1"
    posthog.capture("visited", distinct_id=before, properties={"$process_person_profile": False})
    posthog.alias(before, user)
    posthog.capture("bought", distinct_id=user)
    posthog.flush()
    where = f"identifiers['anonymous'] = '{before}' OR {of(user)}"
    rows = arrived(service, where, 3)
    assert {row["type"] for row in rows} == {"track", "link"}
    service.sql_until(
        f"SELECT uniqExact(person_id), min(person_id) != 0 FROM person_events WHERE {where}", [[1, 1]]
    )


def test_who_is_not_named_is_anonymous(client: Make, service: CollectorProcess) -> None:
    posthog = client()
    posthog.capture("nobody_named")
    posthog.flush()
    (row,) = arrived(service, "name = 'nobody_named'", 1)
    assert set(row["identifiers"]) == {"anonymous"}


@pytest.mark.parametrize("gzip", [False, True])
def test_compressed_and_many_at_once(client: Make, service: CollectorProcess, *, gzip: bool) -> None:
    posthog, user = client(BACKEND_KEY, gzip=gzip), f"many-{gzip}"
    for number in range(250):
        posthog.capture("step", distinct_id=user, properties={"number": number})
    posthog.flush()
    rows = arrived(service, of(user), 250)
    assert sorted(int(row["properties"]["number"]) for row in rows) == list(range(250))
    assert {(row["source"], row["by_server"], row["ip"]) for row in rows} == {("backend", True, "")}


def test_a_bad_event_is_kept_and_its_neighbours_arrive(client: Make, service: CollectorProcess) -> None:
    posthog, user = client(), "bad-1"
    posthog.capture("good", distinct_id=user)
    posthog.capture("x" * 300, distinct_id=user)
    posthog.capture("large", distinct_id=user, properties={"text": "y" * 70_000})
    posthog.capture("good too", distinct_id=user)
    posthog.flush()
    arrived(service, of(user), 2)
    kept = failed(service, f"position(raw, '{user}') > 0", 2)
    assert {(one["kind"], one["source"]) for one in kept} == {("posthog", "web")}
    assert {one["reason"].split()[0] for one in kept} == {"Expected", "too"}
    assert WEB_KEY not in json.dumps(kept)


def test_over_the_rate_the_client_waits_and_delivers(client: Make, service: CollectorProcess) -> None:
    errors: list[Any] = []
    posthog = client(SLOW_KEY, on_error=lambda *error: errors.append(error))
    use_up(service)
    posthog.capture("late", distinct_id="slow-1")
    posthog.flush()
    arrived(service, of("slow-1"), 1)
    assert errors == []


def test_after_an_outage_its_own_retry_delivers(client: Make, service: CollectorProcess) -> None:
    posthog = client(max_retries=10)
    service.kill()
    posthog.capture("kept", distinct_id="outage-1")
    service.start()
    posthog.flush()
    arrived(service, of("outage-1"), 1)
