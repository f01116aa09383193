"""What becomes of the browser clients' events when something goes wrong: refusals, too much at once, an outage."""

from __future__ import annotations

import json
import secrets
import time

import pytest
from playwright.sync_api import Page

from tests.dialects.browsers import KEYS, Shop
from tests.dialects.clients import SLOWER_KEYS, WEB_KEY, arrived, failed, overdraw

SAY = {
    "segment": "({name, text}) => { client.track(name, {text}) }",
    "rudder": "({name, text}) => { client.track(name, {text}) }",
    "snowplow": """({name, text}) => {
        client.trackStructEvent({category: "shop", action: name, label: text})
    }""",
    # It cuts texts off at 65,535 characters.
    "posthog": "({name, text}) => { client.capture(name, {text: text.match(/.{1,50000}/g)}) }",
}
DIALECTS = {"segment": "segment", "rudder": "segment", "snowplow": "snowplow", "posthog": "posthog"}


def say(page: Page, client: str, name: str, text: str = "") -> None:
    page.evaluate(SAY[client], {"name": name, "text": text})


def named(shop: Shop, *names: str) -> str:
    listed = ", ".join(f"'{name}'" for name in names)
    return f"startsWith(page.url, '{shop.site}') AND name IN ({listed})"


def delivered(shop: Shop, page: Page, client: str, name: str) -> None:
    """Wait until the client has delivered an event, by itself; Snowplow's tries again whenever the page says something more."""
    query = f"SELECT count() FROM events WHERE {named(shop, name)}"
    deadline = time.monotonic() + 60
    while client == "snowplow" and shop.service.sql(query) == [[0]] and time.monotonic() < deadline:
        say(page, client, "more")
        page.wait_for_timeout(500)
    arrived(shop.service, named(shop, name), 1)


@pytest.mark.parametrize("client", KEYS)
def test_a_bad_event_is_kept_and_its_neighbours_arrive(shop: Shop, client: str) -> None:
    page = shop.open(client)
    long = f"bad-{client}".ljust(300, "x")
    for name in ("before", long, "behind"):
        say(page, client, name)
    arrived(shop.service, named(shop, "before", "behind"), 2)
    (kept,) = failed(shop.service, f"position(raw, '{long}') > 0", 1)
    assert kept["kind"] == DIALECTS[client]
    assert "length" in kept["reason"]
    assert WEB_KEY not in kept["raw"]
    assert shop.refused() == []


@pytest.mark.parametrize("client", KEYS)
def test_an_event_above_the_limit_is_kept_whole(shop: Shop, client: str) -> None:
    page = shop.open(client)
    say(page, client, f"large-{client}", "x" * 70_000)
    say(page, client, "behind")
    arrived(shop.service, named(shop, "behind"), 1)
    (kept,) = failed(shop.service, f"position(raw, 'large-{client}') > 0", 1)
    assert "too large" in kept["reason"]
    assert json.loads(kept["raw"]), "all of it"
    assert shop.refused() == []


@pytest.mark.parametrize("client", KEYS)
def test_a_body_that_is_too_large_is_not_sent_for_ever(shop: Shop, client: str) -> None:
    page = shop.open(client)
    say(page, client, f"huge-{client}", secrets.token_urlsafe(6_000_000))  # compressed, too
    if client == "snowplow":  # it would try again what is refused with 413
        (kept,) = failed(shop.service, "position(reason, 'are kept') > 0", 1)
        assert "too large" in kept["reason"]
    else:
        deadline = time.monotonic() + 60
        while not shop.refused() and time.monotonic() < deadline:
            page.wait_for_timeout(100)
    say(page, client, "behind")
    arrived(shop.service, named(shop, "behind"), 1)
    assert shop.refused() == ([] if client == "snowplow" else [413])
    assert shop.service.sql(f"SELECT count() FROM events WHERE {named(shop, f'huge-{client}')}") == [[0]]


@pytest.mark.parametrize("client", KEYS)
def test_over_the_rate_the_client_waits_and_delivers(shop: Shop, client: str) -> None:
    page = shop.open(client, SLOWER_KEYS[client])
    overdraw(shop.service, SLOWER_KEYS[client])
    say(page, client, "late")
    delivered(shop, page, client, "late")
    told = {429} if DIALECTS[client] == "segment" else {503}
    assert set(shop.refused()) == told


@pytest.mark.parametrize("client", KEYS)
def test_after_an_outage_its_own_retry_delivers(shop: Shop, client: str) -> None:
    page = shop.open(client)
    say(page, client, "ready")
    arrived(shop.service, named(shop, "ready"), 1)
    shop.service.kill()
    with page.expect_event("requestfailed", timeout=60_000):
        say(page, client, "kept")
    shop.service.start()
    delivered(shop, page, client, "kept")
