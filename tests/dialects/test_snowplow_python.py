"""Snowplow's Python tracker, as it comes from PyPI, against a running collector."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from snowplow_tracker.emitters import Emitter
from snowplow_tracker.events.page_ping import PagePing
from snowplow_tracker.events.page_view import PageView
from snowplow_tracker.events.screen_view import ScreenView
from snowplow_tracker.events.self_describing import SelfDescribing
from snowplow_tracker.events.structured_event import StructuredEvent
from snowplow_tracker.self_describing_json import SelfDescribingJson
from snowplow_tracker.subject import Subject
from snowplow_tracker.tracker import Tracker

from tests.dialects.clients import APP_ID, SLOW_KEY, arrived, failed, use_up
from tests.processes import CollectorProcess

WHEN_MS = int(dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC).timestamp()) * 1000 + 123
WHEN = "2026-11-22 10:00:00.123"


class Failures:
    """What the emitter says it could not send."""

    def __init__(self) -> None:
        self.lost: list[Any] = []

    def __call__(self, _sent: int, unsent: list[Any]) -> None:
        self.lost += unsent


def tracker(
    service: CollectorProcess, user: str, app_id: str = APP_ID, *, base64: bool = True, **options: Any
) -> tuple[Tracker, Emitter]:
    emitter = Emitter(service.url, batch_size=1000, **options)
    subject = Subject()
    subject.set_user_id(user).set_domain_user_id(f"duid-{user}").set_domain_session_id(f"sid-{user}")
    subject.set_screen_resolution(1920, 1080).set_lang("de-DE").set_timezone("Europe/Berlin")
    subject.set_ip_address("203.0.113.77").set_platform("web")
    return Tracker("shop", emitter, subject, app_id, encode_base64=base64), emitter


def of(user: str) -> str:
    return f"identifiers['user'] = '{user}'"


@pytest.mark.parametrize(("method", "base64"), [("post", True), ("post", False), ("get", True)])
def test_every_call_arrives_once_with_its_fields(
    service: CollectorProcess, method: str, *, base64: bool
) -> None:
    user = f"calls-{method}-{base64}"
    snowplow, emitter = tracker(service, user, base64=base64, method=method)
    entity = SelfDescribingJson("iglu:com.acme/cartItem/jsonschema/1-0-2", {"sku": "espresso-3"})
    when: dict[str, Any] = {"true_timestamp": WHEN_MS, "context": [entity]}
    page = "https://shop.example/cart?utm_source=news"
    snowplow.track(PageView(page, "Cart", "https://www.google.com/", **when))
    snowplow.track(PagePing(page, "Cart", min_y=10, max_y=400, **when))
    snowplow.track(StructuredEvent("shop", "add", label="espresso", property_="pcs", value=2.0, **when))
    order = SelfDescribingJson(
        "iglu:com.acme/order_placed/jsonschema/1-0-0", {"order": "o-1", "total": 289.5}
    )
    snowplow.track(SelfDescribing(order, **when))
    snowplow.track(ScreenView(id_="7b0a3a90-95d3-4d7a-8b1c-5a1e5a1e5a1e", name="Basket", **when))
    emitter.flush()

    rows = {(row["type"], row["name"]): row for row in arrived(service, of(user), 5)}

    assert set(rows) == {
        ("page", "page"),
        ("track", "page_ping"),
        ("track", "add"),
        ("track", "order_placed"),
        ("screen", "Basket"),
    }
    view = rows["page", "page"]
    assert view["page"] == {"url": page, "title": "Cart", "referrer": "https://www.google.com/"}
    assert (view["campaign"]["source"], view["channel"], view["source"]) == ("news", "web", "snowplow")
    assert (view["device"]["id"], view["session_id"]) == (f"duid-{user}", f"sid-{user}")
    assert (view["device"]["screen_width"], view["device"]["screen_height"]) == (1920, 1080)
    assert (view["device"]["locale"], view["device"]["timezone"]) == ("de-DE", "Europe/Berlin")
    assert {row["device_time"] for row in rows.values()} == {WHEN}
    rest = view["properties"]["snowplow"]
    assert rest["contexts_com_acme_cart_item_1"] == [{"_schema_version": "1-0-2", "sku": "espresso-3"}]
    assert rest["ip"] == "203.0.113.0"
    assert rest["tna"] == "shop"
    assert rows["track", "page_ping"]["properties"]["snowplow"]["pp_may"] == "400"
    added = rows["track", "add"]["properties"]
    assert [added[name] for name in ("category", "action", "label", "property")] == [
        "shop",
        "add",
        "espresso",
        "pcs",
    ]
    placed = rows["track", "order_placed"]["properties"]
    assert (placed["order"], placed["total"]) == ("o-1", 289.5)
    assert placed["snowplow"]["schema"] == "iglu:com.acme/order_placed/jsonschema/1-0-0"


def test_the_vendor_in_the_address_stands_as_a_key_too(service: CollectorProcess) -> None:
    event = {"tv": "x", "e": "pv", "p": "web", "uid": "vendor-1", "url": "https://shop.example/"}
    body = json.dumps({"schema": "iglu:x/payload_data/jsonschema/1-0-4", "data": [event]}).encode()
    nobody = {"Authorization": ""}
    assert service.request("POST", "/com.acme/track", body, nobody)[0] == 401
    event["aid"] = APP_ID
    body = json.dumps({"schema": "iglu:x/payload_data/jsonschema/1-0-4", "data": [event]}).encode()
    status, _, answer = service.request("POST", "/com.acme/track", body, nobody)
    assert (status, answer) == (200, b"ok")
    arrived(service, of("vendor-1"), 1)


def test_a_bad_event_is_kept_and_its_neighbours_arrive(service: CollectorProcess) -> None:
    failures = Failures()
    snowplow, emitter = tracker(service, "bad-1", on_failure=failures)
    snowplow.track(PageView("https://shop.example/1"))
    snowplow.track(StructuredEvent("shop", "x" * 300))
    snowplow.track(PageView("https://shop.example/2"))
    emitter.flush()
    arrived(service, of("bad-1"), 2)
    (kept,) = failed(service, "position(raw, 'bad-1') > 0", 1)
    assert (kept["kind"], kept["source"]) == ("snowplow", "snowplow")
    assert json.loads(kept["raw"])["data"][0]["uid"] == "bad-1"
    assert failures.lost == []


def test_what_is_too_large_is_kept_and_the_tracker_does_not_send_it_for_ever(
    service: CollectorProcess,
) -> None:
    failures = Failures()
    snowplow, emitter = tracker(service, "large-1", on_failure=failures)
    large = SelfDescribingJson("iglu:com.acme/large/jsonschema/1-0-0", {"text": "x" * 6_000_000})
    snowplow.track(SelfDescribing(large))
    emitter.flush()
    (kept,) = failed(service, "position(reason, 'are kept') > 0", 1)
    assert "too large" in kept["reason"]
    assert len(kept["raw"]) == 65536
    assert failures.lost == []


def test_an_event_above_the_limit_is_kept_whole(service: CollectorProcess) -> None:
    snowplow, emitter = tracker(service, "large-2")
    large = SelfDescribingJson("iglu:com.acme/large/jsonschema/1-0-0", {"text": "y" * 70_000})
    snowplow.track(SelfDescribing(large))
    snowplow.track(PageView("https://shop.example/1"))
    emitter.flush()
    arrived(service, of("large-2"), 1)
    (kept,) = failed(service, "position(raw, 'large-2') > 0", 1)
    assert "too large" in kept["reason"]


def test_over_the_rate_the_tracker_waits_and_delivers(service: CollectorProcess) -> None:
    use_up(service)
    snowplow, emitter = tracker(service, "slow-1", SLOW_KEY)
    snowplow.track(PageView("https://shop.example/"))
    emitter.flush()
    arrived(service, of("slow-1"), 1)


def test_after_an_outage_its_own_retry_delivers(service: CollectorProcess) -> None:
    snowplow, emitter = tracker(service, "outage-1")
    service.kill()
    snowplow.track(PageView("https://shop.example/"))
    emitter.flush()
    service.start()
    arrived(service, of("outage-1"), 1)
