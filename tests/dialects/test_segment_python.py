"""Segment's and RudderStack's Python clients, as they come from PyPI, against a running collector."""

from __future__ import annotations

import datetime as dt
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dialects.clients import BACKEND_KEY, SLOW_KEY, WEB_KEY, arrived, failed, person_of, use_up
from tests.processes import CollectorProcess

WHEN = dt.datetime(2026, 11, 22, 10, 0, 0, 123000, tzinfo=dt.UTC)
CLIENTS = ["segment.analytics.client", "rudderstack.analytics.client"]
LIBRARY = "analytics-python"  # RudderStack's client has kept the name

Make = Callable[..., Any]


@pytest.fixture(params=CLIENTS, ids=["segment", "rudder"])
def client(request: pytest.FixtureRequest, service: CollectorProcess) -> Iterator[Make]:
    """Make a client: `client(key, gzip=True)`."""
    module = importlib.import_module(request.param)
    made = []

    def make(key: str = WEB_KEY, **options: Any) -> Any:
        one = module.Client(key, host=service.url, **options)
        one.family = request.param.partition(".")[0]
        made.append(one)
        return one

    yield make
    for one in made:
        one.join()


def of(user: str) -> str:
    return f"identifiers['user'] = '{user}'"


def test_every_call_arrives_once_with_its_fields(client: Make, service: CollectorProcess) -> None:
    analytics = client()
    user = f"calls-{analytics.family}"
    context = {
        "page": {"url": "https://shop.example/cart?utm_source=news", "title": "Cart", "path": "/cart"},
        "device": {"id": f"dev-{user}", "type": "ios", "model": "iPhone17,1", "manufacturer": "Apple"},
        "os": {"name": "iOS", "version": "19.1"},
        "app": {"name": "Shop", "version": "4.2"},
        "screen": {"width": 390, "height": 844, "density": 3},
        "locale": "de-DE",
        "timezone": "Europe/Berlin",
        "ip": "203.0.113.77",
        "network": {"wifi": True},
    }
    anonymous = f"anon-{user}"
    analytics.identify(
        user,
        {"email": "ada@example.org", "plan": "gold"},
        context=context,
        anonymous_id=anonymous,
        timestamp=WHEN,
    )
    analytics.track(
        user, "Order Completed", {"total": 289.5, "items": [1, 2]}, context=context, timestamp=WHEN
    )
    analytics.page(user, "Shop", "Cart", {"step": 2}, context=context, timestamp=WHEN)
    analytics.screen(user, "Shop", "Basket", {"step": 3}, context=context, timestamp=WHEN)
    analytics.group(user, "acme", {"seats": 5}, context=context, timestamp=WHEN)
    analytics.flush()

    rows = {(row["type"], row["name"]): row for row in arrived(service, of(user), 5)}

    assert set(rows) == {
        ("identify", "identify"),
        ("track", "Order Completed"),
        ("page", "Cart"),
        ("screen", "Basket"),
        ("track", "group"),
    }
    identify = rows["identify", "identify"]
    assert identify["identifiers"]["anonymous"] == anonymous
    assert len(identify["identifiers"]["email"]) == 32  # hashed twice
    assert "ada@example.org" not in json.dumps(rows[("identify", "identify")])
    assert identify["properties"]["plan"] == "gold"
    order = rows["track", "Order Completed"]
    assert order["properties"]["total"] == 289.5
    assert order["properties"]["items"] == ["1", "2"] or order["properties"]["items"] == [1, 2]
    assert order["device_time"] == "2026-11-22 10:00:00.123"
    assert order["device"] == {
        "id": f"dev-{user}",
        "type": "phone",
        "os": "iOS",
        "os_version": "19.1",
        "manufacturer": "Apple",
        "model": "iPhone17,1",
        "app_version": "4.2",
        "locale": "de-DE",
        "timezone": "Europe/Berlin",
        "screen_width": 390,
        "screen_height": 844,
    }
    assert order["page"]["url"] == "https://shop.example/cart?utm_source=news"
    assert order["campaign"]["source"] == "news"
    rest = order["properties"]["segment"]["context"]
    assert rest["ip"] == "203.0.113.0"  # cut to its network
    assert rest["network"]["wifi"] is True
    assert rest["app"]["name"] == "Shop"
    assert rest["page"]["path"] == "/cart"
    assert float(rest["screen"]["density"]) == 3
    assert order["source"] == "web"
    assert order["sdk"]["name"] == LIBRARY
    assert rows["page", "Cart"]["properties"]["segment"]["category"] == "Shop"
    group = rows["track", "group"]["properties"]["segment"]
    assert group["groupId"] == "acme"
    assert int(group["traits"]["seats"]) == 5


def test_an_alias_joins_what_was_done_before_a_sign_in(client: Make, service: CollectorProcess) -> None:
    analytics = client()
    user, before = f"alias-{analytics.family}", "7b0a3a90-95d3-4d7a-8b1c-5a1e5a1e5a1e"
    before = before[:-1] + str(len(analytics.family) % 10)
    analytics.track(None, "Visited", anonymous_id=before)
    analytics.alias(before, user)
    analytics.track(user, "Bought")
    analytics.flush()
    where = f"identifiers['anonymous'] = '{before}' OR {of(user)}"
    arrived(service, where, 3)

    service.sql_until(
        f"SELECT uniqExact(person_id), min(person_id) != 0 FROM person_events WHERE {where}", [[1, 1]]
    )
    assert len(person_of(service, where)) == 1


def test_a_message_id_makes_a_retry_one_event(client: Make, service: CollectorProcess) -> None:
    if client().family != "segment":
        pytest.skip("RudderStack's client takes no message_id")
    for user in ("retry-1", "retry-1", "retry-behind"):
        analytics = client()
        analytics.track(user, "Once", message_id=f"order-17-{user}", timestamp=WHEN)
        analytics.flush()
    arrived(service, of("retry-behind"), 1)  # loaded in their order: both copies are there now
    arrived(service, of("retry-1"), 1)


def test_compressed_and_many_at_once(client: Make, service: CollectorProcess) -> None:
    analytics = client(BACKEND_KEY, gzip=True)
    user = f"many-{analytics.family}"
    for number in range(250):
        analytics.track(user, "Step", {"number": number})
    analytics.flush()
    rows = arrived(service, of(user), 250)
    assert sorted(int(row["properties"]["number"]) for row in rows) == list(range(250))
    assert {(row["source"], row["by_server"], row["ip"]) for row in rows} == {("backend", True, "")}


def test_a_bad_event_is_kept_and_its_neighbours_arrive(client: Make, service: CollectorProcess) -> None:
    analytics = client()
    user = f"bad-{analytics.family}"
    analytics.track(user, "Good")
    analytics.track(user, "x" * 300)
    analytics.track(user, "Good too")
    analytics.flush()
    arrived(service, of(user), 2)
    (kept,) = failed(service, f"position(raw, '{user}') > 0", 1)
    assert (kept["kind"], kept["source"]) == ("segment", "web")
    assert "length" in kept["reason"]
    assert json.loads(kept["raw"])["batch"][0]["userId"] == user
    assert WEB_KEY not in kept["raw"]


def test_over_the_rate_the_client_waits_and_delivers(client: Make, service: CollectorProcess) -> None:
    errors: list[Any] = []
    analytics = client(SLOW_KEY, on_error=lambda *error: errors.append(error))
    user = f"slow-{analytics.family}"
    use_up(service)
    analytics.track(user, "Late")
    analytics.flush()
    arrived(service, of(user), 1)
    assert errors == []


def test_after_an_outage_its_own_retry_delivers(client: Make, service: CollectorProcess) -> None:
    analytics = client()
    user = f"outage-{analytics.family}"
    service.kill()
    analytics.track(user, "Kept")
    service.start()
    analytics.flush()
    arrived(service, of(user), 1)


def test_an_unknown_key_is_refused_and_nothing_stored(client: Make, service: CollectorProcess) -> None:
    errors: list[Any] = []
    analytics = client("no-such-key", on_error=lambda *error: errors.append(error))
    analytics.track(f"stranger-{analytics.family}", "Never")
    analytics.flush()
    assert len(errors) == 1
    assert service.sql("SELECT count() FROM events WHERE startsWith(identifiers['user'], 'stranger-')") == [
        [0]
    ]
