"""Each call of the browser clients, as they come from npm, from a page in Chromium to the columns of `events`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.dialects.browsers import Shop
from tests.dialects.clients import arrived, person_of

NEWS = "?utm_source=news"
SEGMENT = """async (user) => {
  await client.track("look");  // else it is said with the id of who signs in in the same moment
  client.identify(user, {email: "ada@example.org", plan: "gold"});
  client.track("order", {total: 289.5, items: [{sku: "espresso-3"}]});
  client.page("Shop", "Basket", {step: 2});
  client.group("acme", {seats: 5});
  client.alias(user, "former-" + user);
}"""
SNOWPLOW = """(user) => {
  client.setUserId(user);
  client.trackPageView({title: "Basket", context: [{schema: "iglu:com.acme/cartItem/jsonschema/1-0-2", data: {sku: "espresso-3"}}]});
  client.trackStructEvent({category: "shop", action: "add", label: "espresso", value: 2});
  client.trackSelfDescribingEvent({event: {schema: "iglu:com.acme/order/jsonschema/1-0-0", data: {total: 289.5}}});
}"""
POSTHOG = """(user) => {
  client.capture("look");
  client.identify(user, {email: "ada@example.org", plan: "gold"});
  client.capture("order", {total: 289.5, items: [{sku: "espresso-3"}]});
  client.alias("former-" + user);
  client.group("company", "acme", {seats: 5});
  client.setPersonProperties({plan: "silver"});
}"""


def by_name(shop: Shop, name: str, count: int) -> dict[tuple[str, str], dict[str, Any]]:
    """The events of a client's page, once there are so many; each is there once."""
    rows = arrived(shop.service, f"startsWith(page.url, '{shop.site}/{name}.html')", count)
    found = {(row["type"], row["name"]): row for row in rows}
    assert len(found) == len(rows), [(row["type"], row["name"]) for row in rows]
    sent_twice = shop.service.sql(
        f"SELECT count() - uniqExact(event_id) FROM events_raw WHERE startsWith(page.url, '{shop.site}')"
    )
    assert sent_twice == [[0]]
    return found


def is_about_the_page(row: dict[str, Any], shop: Shop, name: str) -> None:
    assert row["page"] == {"url": f"{shop.site}/{name}.html{NEWS}", "title": "Cart", "referrer": ""}
    assert (row["campaign"]["source"], row["channel"]) == ("news", "web")
    assert row["device"]["locale"] == "de-DE"
    assert not row["by_server"]


@pytest.mark.parametrize("batching", [False, True], ids=["one by one", "batching"])
def test_segment_s_calls_arrive_once_with_their_fields(shop: Shop, *, batching: bool) -> None:
    user = f"page-s-{batching}"
    delivery: dict[str, Any] = (
        {"strategy": "batching", "config": {"size": 100, "timeout": 300}} if batching else {}
    )
    options: dict[str, Any] = {"deliveryStrategy": delivery} if batching else {}
    page = shop.open("segment", query=NEWS, **options)
    page.evaluate(SEGMENT, user)
    page.evaluate("client.screen('Shop', 'Wish list')")
    rows = by_name(shop, "segment", 7)
    assert set(rows) == {
        ("track", "look"),
        ("identify", "identify"),
        ("track", "order"),
        ("page", "Basket"),
        ("screen", "Wish list"),
        ("track", "group"),
        ("link", "alias"),
    }
    assert set(shop.posted()) == ({"/v1/b"} if batching else {f"/v1/{call}" for call in "tipsga"})
    for row in rows.values():
        is_about_the_page(row, shop, "segment")
        assert row["sdk"]["name"] == "analytics.js"
    _has_segment_s_fields(rows, user)


def _has_segment_s_fields(rows: dict[tuple[str, str], dict[str, Any]], user: str) -> None:
    look, order = rows["track", "look"], rows["track", "order"]
    identify = rows["identify", "identify"]
    assert set(look["identifiers"]) == {"anonymous"}
    assert identify["identifiers"].keys() == {"user", "anonymous", "email"}
    assert identify["properties"]["plan"] == "gold"
    assert "ada@example.org" not in json.dumps(list(rows.values()))
    assert order["identifiers"]["user"] == user
    assert order["identifiers"]["anonymous"] == look["identifiers"]["anonymous"]
    assert (order["properties"]["total"], order["properties"]["items"]) == (289.5, [{"sku": "espresso-3"}])
    assert rows["page", "Basket"]["properties"]["step"] == 2
    group = rows["track", "group"]["properties"]["segment"]
    assert (group["groupId"], group["traits"]["seats"]) == ("acme", 5)
    assert rows["link", "alias"]["linked"] == {"user": f"former-{user}"}


def test_rudder_s_calls_arrive_once_with_their_fields(shop: Shop) -> None:
    shop.open("rudder", query=NEWS).evaluate(SEGMENT, "page-r")
    rows = by_name(shop, "rudder", 6)
    assert set(rows) == {
        ("track", "look"),
        ("identify", "identify"),
        ("track", "order"),
        ("page", "Basket"),
        ("track", "group"),
        ("link", "alias"),
    }
    for row in rows.values():
        is_about_the_page(row, shop, "rudder")
        assert row["sdk"] == {"name": "RudderLabs JavaScript SDK", "version": row["sdk"]["version"]}
        assert (row["device"]["screen_width"], row["device"]["screen_height"]) == (1000, 640)
        assert row["device"]["app_version"] == "", "the client's own version is not the app's"
    assert len({row["session_id"] for row in rows.values()} - {""}) == 1
    _has_segment_s_fields(rows, "page-r")


def test_snowplow_s_calls_arrive_once_with_their_fields(shop: Shop) -> None:
    shop.open("snowplow", query=NEWS).evaluate(SNOWPLOW, "page-sp")
    rows = by_name(shop, "snowplow", 3)
    assert set(rows) == {("page", "page"), ("track", "add"), ("track", "order")}
    view = rows["page", "page"]
    assert view["page"]["title"] == "Basket"
    assert view["properties"]["snowplow"]["contexts_com_acme_cart_item_1"] == [
        {"_schema_version": "1-0-2", "sku": "espresso-3"}
    ]
    for row in rows.values():
        assert (row["campaign"]["source"], row["channel"], row["source"]) == ("news", "web", "snowplow")
        assert row["identifiers"] == {"user": "page-sp"}
        assert row["device"]["locale"] == "de-DE"
        assert (row["device"]["screen_width"], row["device"]["screen_height"]) == (1000, 640)
        assert "contexts_com_snowplowanalytics_snowplow_web_page_1" in row["properties"]["snowplow"]
    assert len({(row["device"]["id"], row["session_id"]) for row in rows.values()}) == 1
    assert rows["track", "order"]["device"]["id"] != ""
    assert rows["track", "order"]["properties"]["total"] == 289.5
    added = rows["track", "add"]["properties"]
    assert (added["category"], added["label"], float(added["value"])) == ("shop", "espresso", 2)


def test_posthog_s_calls_arrive_once_with_their_fields(shop: Shop) -> None:
    shop.open("posthog", query=NEWS).evaluate(POSTHOG, "page-ph")
    rows = by_name(shop, "posthog", 7)
    assert set(rows) == {
        ("page", "page"),  # captured by itself
        ("track", "look"),
        ("identify", "identify"),
        ("track", "order"),
        ("link", "$create_alias"),
        ("track", "$groupidentify"),
        ("identify", "$set"),
    }
    look, identify, order = rows["track", "look"], rows["identify", "identify"], rows["track", "order"]
    for row in rows.values():
        assert row["page"]["url"] == f"{shop.site}/posthog.html{NEWS}"
        assert (row["campaign"]["source"], row["channel"], row["sdk"]["name"]) == ("news", "web", "web")
        assert (row["device"]["type"], row["device"]["screen_width"]) == ("desktop", 1000)
        assert row["device"]["locale"] == "de-DE"
    assert len({(row["device"]["id"], row["session_id"]) for row in rows.values()}) == 1
    assert look["identifiers"] == {"anonymous": look["device"]["id"]}
    assert identify["identifiers"].keys() == {"user", "anonymous", "email"}
    assert identify["identifiers"]["anonymous"] == look["device"]["id"]
    assert identify["properties"]["$set"] == {"plan": "gold"}
    assert "ada@example.org" not in json.dumps(list(rows.values()))
    assert order["identifiers"] == {"user": "page-ph"}
    assert (order["properties"]["total"], order["properties"]["items"]) == (289.5, [{"sku": "espresso-3"}])
    assert rows["link", "$create_alias"]["linked"] == {"user": "former-page-ph"}
    assert rows["track", "$groupidentify"]["properties"]["$group_key"] == "acme"
    assert rows["identify", "$set"]["properties"]["$set"] == {"plan": "silver"}


@pytest.mark.parametrize(("name", "calls"), [("segment", SEGMENT), ("rudder", SEGMENT), ("posthog", POSTHOG)])
def test_what_was_done_before_a_sign_in_is_the_same_person_s(shop: Shop, name: str, calls: str) -> None:
    shop.open(name).evaluate(calls, f"joined-{name}")
    where = f"startsWith(page.url, '{shop.site}') AND name IN ('look', 'order')"
    arrived(shop.service, where, 2)
    query = f"SELECT uniqExact(person_id), min(person_id) != 0 FROM person_events WHERE {where}"
    shop.service.sql_until(query, [[1, 1]])
    assert len(person_of(shop.service, where)) == 1
