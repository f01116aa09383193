"""The SDK in Chromium, on the example shop's pages, which have a strict Content Security Policy, and a real collector.

Each test takes a site of its own (another port is another origin: empty storage) and finds its events by that address.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request

from tests.processes import CollectorProcess

Site = Callable[[], str]
NOTHING_STORED = """async () =>
    !localStorage.length && !document.cookie && !(await indexedDB.databases()).length"""


class Shop:
    """A site, and what arrived from it."""

    def __init__(self, url: str, service: CollectorProcess) -> None:
        self.url = url
        self.service = service

    def names(self, expected: list[str], within_s: float = 15) -> None:
        """Wait until exactly these events are there, in the order they happened."""
        query = (
            f"SELECT name FROM events WHERE startsWith(page.url, '{self.url}') ORDER BY device_time, event_id"
        )
        self.service.sql_until(query, [[name] for name in expected], within_s)

    def rows(self, columns: str, where: str = "1") -> list[list[Any]]:
        return self.service.sql(
            f"SELECT {columns} FROM events WHERE startsWith(page.url, '{self.url}') AND {where} ORDER BY device_time, event_id"
        )

    def withdrawn(self) -> None:
        """Wait until a device of this site has taken its consent back; the collector keeps no page of that event."""
        devices = f"SELECT device.id FROM events WHERE startsWith(page.url, '{self.url}')"
        self.service.sql_until(
            f"SELECT count() FROM events WHERE type = 'consent' AND NOT consent['analytics'] AND device.id IN ({devices})",
            [[1]],
        )


@pytest.fixture
def shop(site: Site, service: CollectorProcess) -> Shop:
    return Shop(site(), service)


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    page.wait_for_function("window.stitchline && stitchline.client && stitchline.client()")
    return page


def said(page: Page, call: str) -> Any:
    return page.evaluate(f"() => stitchline.{call}")


def test_a_visit_is_one_session_on_one_device_from_page_to_page(context: BrowserContext, shop: Shop) -> None:
    page = opened(context, f"{shop.url}/?utm_source=newsletter&utm_campaign=autumn")
    page.click("text=Look closer >> nth=0")
    page.click("#buy")  # said while the page is left
    page.wait_for_url("**/account.html")
    page.wait_for_function("window.stitchline && stitchline.client && stitchline.client()")
    page.click("text=Sign in")
    said(page, "track('order_completed', {total: 289}, {stage: 'purchase'})")
    assert said(page, "flush()") is True
    shop.names(["page", "product_viewed", "checkout_started", "page", "identify", "order_completed"])
    assert len(shop.rows("DISTINCT session_id, device.id")) == 1
    assert shop.rows("DISTINCT campaign.source, campaign.name") == [["newsletter", "autumn"]]
    assert shop.rows("stage", "name = 'checkout_started'") == [["purchase"]]
    assert shop.rows("page.title, page.referrer", "name = 'page'")[1][0] == "Your account"
    assert shop.rows(
        "channel, identifiers['user'], length(identifiers['email'])", "name = 'order_completed'"
    ) == [
        ["web", "42", 32]  # hashed by the page, and with the collector's key
    ]
    # What is said while the page is left may go before it was numbered: no number rather than a false one.
    assert [row[0] for row in shop.rows("seq", "seq > 0")] in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6])


def test_an_address_that_changes_without_loading_is_a_page_view(context: BrowserContext, shop: Shop) -> None:
    page = opened(context, f"{shop.url}/coffee/")
    page.click("text=Brazil")
    page.wait_for_timeout(50)
    page.click("text=Kenya")
    page.wait_for_timeout(50)
    page.evaluate("history.replaceState(null, '', '?sorted=1')")
    page.go_back()
    page.wait_for_timeout(50)
    assert said(page, "flush()") is True
    shop.names(["page"] * 4)
    paths = [row[0].removeprefix(shop.url) for row in shop.rows("page.url")]
    assert paths == ["/coffee/", "/coffee/brazil", "/coffee/kenya", "/coffee/brazil"]
    titles = [row[0] for row in shop.rows("page.title")]
    assert titles[:3] == ["Beans", "Brazil", "Kenya"]
    assert shop.rows("page.referrer")[2][0] == f"{shop.url}/coffee/brazil"


def test_two_tabs_send_each_event_once_and_share_session_device_and_counter(
    context: BrowserContext, shop: Shop
) -> None:
    sent: list[str] = []

    def seen(request: Request) -> None:
        if request.url.startswith(shop.service.url) and request.method == "POST":
            sent.append(request.url)

    context.on("request", seen)
    tabs = [opened(context, f"{shop.url}/"), opened(context, f"{shop.url}/account.html")]
    context.set_offline(True)
    for n in range(50):
        said(tabs[n % 2], f"track('e{n:02}')")
    context.set_offline(False)
    for tab in tabs:
        assert said(tab, "flush()") is True
    shop.names(["page", "page", *(f"e{n:02}" for n in range(50))])
    assert len(shop.rows("DISTINCT session_id, device.id")) == 1
    numbers = sorted(int(row[0]) for row in shop.rows("seq"))
    assert numbers == list(range(1, 53))
    arrived = shop.service.sql(
        "SELECT count() FROM events_raw WHERE startsWith(name, 'e') AND length(name) = 3"
    )
    assert arrived == [[50]], "no event was sent twice"


def test_what_was_said_offline_outlives_the_tab_and_is_sent_by_the_next(
    context: BrowserContext, shop: Shop
) -> None:
    page = opened(context, f"{shop.url}/")
    assert said(page, "flush()") is True
    page.route(f"{shop.service.url}/**", lambda route: route.abort())
    for n in range(3):
        said(page, f"track('offline_{n}')")
    page.wait_for_timeout(300)  # on disk within about a second of the call
    crash(page)
    opened(context, f"{shop.url}/account.html")
    shop.names(["page", "offline_0", "offline_1", "offline_2", "page"])
    assert [row[0] for row in shop.rows("seq")] == [1, 2, 3, 4, 5]


def crash(page: Page) -> None:
    """Kill the tab's process: no event handler runs."""
    with contextlib.suppress(Error):  # the tab cannot answer any more
        page.goto("chrome://crash", timeout=2_000)


def test_it_comes_back_by_itself_when_the_network_does(context: BrowserContext, shop: Shop) -> None:
    page = opened(context, f"{shop.url}/")
    context.set_offline(True)
    said(page, "track('while_away')")
    assert said(page, "flush(0.5)") is False
    context.set_offline(False)
    shop.names(["page", "while_away"])


def test_a_collector_that_was_killed_gets_everything_once_when_it_is_back(
    context: BrowserContext, shop: Shop
) -> None:
    page = opened(context, f"{shop.url}/")
    assert said(page, "flush()") is True
    shop.service.kill()
    for n in range(5):
        said(page, f"track('e{n}')")
    assert said(page, "flush(0.3)") is False
    assert said(page, "client().pending") == 5
    shop.service.start()
    shop.names(["page", *(f"e{n}" for n in range(5))])


def test_a_page_that_is_left_at_once_has_said_what_it_had_to(context: BrowserContext, shop: Shop) -> None:
    page = opened(context, f"{shop.url}/")
    assert said(page, "flush()") is True
    page.evaluate("() => { stitchline.track('the_end'); location.href = 'about:blank' }")
    shop.names(["page", "the_end"])


def test_a_closed_tab_has_said_what_it_had_to(context: BrowserContext, shop: Shop) -> None:
    page = opened(context, f"{shop.url}/")
    assert said(page, "flush()") is True
    said(page, "track('the_end')")
    page.close(run_before_unload=True)
    shop.names(["page", "the_end"])


def test_a_page_from_the_back_forward_cache_is_seen_again_and_goes_on(
    context: BrowserContext, shop: Shop
) -> None:
    page = opened(context, f"{shop.url}/")
    assert said(page, "flush()") is True
    page.evaluate("window.frozen = 1")
    page.goto(f"{shop.url}/consent.html")
    page.go_back()
    if page.evaluate("window.frozen") != 1:
        # A headless shell is built without the cache. The page was loaded anew: now the events that the cache fires.
        shop.names(["page", "page", "page"])
        page.evaluate("() => dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
        page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        said(page, "track('after')")
        assert said(page, "flush()") is True
        shop.names(["page", "page", "page", "page", "after"])
        return
    said(page, "track('after')")
    assert said(page, "flush()") is True
    shop.names(["page", "page", "page", "after"])


def test_where_storage_is_blocked_events_go_from_memory(browser: Browser, shop: Shop) -> None:
    context = browser.new_context()
    context.add_init_script("""
        for (const name of ["localStorage", "indexedDB"])
            Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError") } });
    """)
    page = opened(context, f"{shop.url}/")
    said(page, "identify('blocked-1')")
    said(page, "track('x')")
    assert said(page, "flush()") is True
    assert said(page, "client().losses") == {}
    context.close()
    shop.names(["page", "identify", "x"])
    assert len(shop.rows("DISTINCT session_id, device.id")) == 1
    assert shop.rows("identifiers['user'], seq", "name = 'x'") == [["blocked-1", 0]]


def test_before_consent_nothing_is_stored_or_sent_and_a_withdrawal_is_the_last(
    context: BrowserContext, shop: Shop
) -> None:
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    page = opened(context, f"{shop.url}/consent.html")
    page.click("text=Do something")
    assert said(page, "client().pending") == 0
    page.reload()
    page.wait_for_function("window.stitchline && stitchline.client()")
    assert page.evaluate(NOTHING_STORED) is True
    assert [url for url in requests if url.startswith(shop.service.url)] == []
    page.click("[data-consent=true]")
    page.click("text=Do something")
    page.click("[data-consent=false]")
    page.click("text=Do something")
    assert said(page, "flush()") is True
    shop.names(["consent", "page", "early"])
    shop.withdrawn()
    page.wait_for_function(NOTHING_STORED)
    said(page, "consent({analytics: true})")
    said(page, "track('again')")
    assert said(page, "flush()") is True
    shop.names(["consent", "page", "early", "consent", "again"])
    assert len(shop.rows("DISTINCT device.id", "name IN ('early', 'again')")) == 2
    assert shop.rows("seq", "name IN ('early', 'again')") == [[3], [2]], "each device counts from one"


def test_a_withdrawal_without_network_is_sent_by_the_next_page_which_then_leaves_nothing_behind(
    context: BrowserContext, shop: Shop
) -> None:
    page = opened(context, f"{shop.url}/consent.html")
    page.click("[data-consent=true]")
    assert said(page, "flush()") is True
    page.route(f"{shop.service.url}/**", lambda route: route.abort())
    page.click("text=Do something")
    page.click("[data-consent=false]")
    assert said(page, "flush(0.3)") is False
    kept = page.evaluate("localStorage.getItem('stl')")
    assert json.loads(kept) == {"consent": {"analytics": False}}, "no id any more"
    crash(page)
    page = opened(context, f"{shop.url}/consent.html")
    shop.names(["consent", "page", "early"])
    shop.withdrawn()
    page.wait_for_function(NOTHING_STORED)


def test_a_link_to_another_domain_hands_the_device_over(
    context: BrowserContext, shop: Shop, site: Site
) -> None:
    page = opened(context, f"{shop.url}/")
    device = said(page, "client().device.id")
    other = Shop(site(), shop.service)
    page.evaluate(f"document.getElementById('partner').href = '{other.url}/'")
    page.click("#partner")
    page.wait_for_url(f"{other.url}/**")
    page.wait_for_function("window.stitchline && stitchline.client && stitchline.client()")
    assert "_stl" not in page.url
    assert said(page, "flush()") is True
    other.names(["page", "link"])
    linked = (
        "linked['device'], properties.via.:String, device.id != linked['device'], page.url LIKE '%_stl=%'"
    )
    assert other.rows(linked, "type = 'link'") == [[device, "cross_domain", True, False]]
    shop.service.sql_until(
        "SELECT uniq(person_id) FROM person_events "
        f"WHERE startsWith(page.url, '{shop.url}') OR startsWith(page.url, '{other.url}')",
        [[1]],
    )


def test_nothing_is_asked_of_anybody_but_the_collector(context: BrowserContext, shop: Shop) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = opened(context, f"{shop.url}/")
    assert said(page, "flush()") is True
    others = [url for url in asked if not url.startswith((shop.url, f"{shop.service.url}/v1/events"))]
    assert others == []


def test_the_core_alone_says_all_but_plain_contacts_and_takes_tokens_out_of_addresses(
    context: BrowserContext, shop: Shop, built: Path
) -> None:
    context.route("**/stitchline.js", lambda route: route.fulfill(path=built / "dist" / "stitchline.core.js"))
    page = opened(context, f"{shop.url}/?utm_source=newsletter&_stl=st1.x.y")
    assert "_stl" not in page.url
    said(page, "identify('42', {email: 'ada@example.org'})")
    said(page, f"identify('42', {{email: '{'AB' * 32}'}})")
    said(page, "track('x')")
    assert said(page, "flush()") is True
    assert said(page, "client().losses") == {"identifier_refused": 1}
    assert said(page, "client().identifiers") == {"user": "42", "email": "ab" * 32}
    context.unroute(
        "**/stitchline.js"
    )  # while a route is there, what a closing page sends goes through it, and may be lost with the page
    said(page, "track('end')")
    page.close(run_before_unload=True)
    shop.names(["page", "identify", "identify", "x", "end"])
    assert shop.rows("DISTINCT campaign.source, identifiers['user']", "name = 'x'") == [["newsletter", "42"]]
