"""The page at `/`, in a real browser."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Page, expect

from tests.page.visitor import HOSTILE, PATIENCE_MS, READ_KEY
from tests.processes import KEY

if TYPE_CHECKING:
    from tests.processes import CollectorProcess


def touch(name: str, device: str, user: str = "", **more: Any) -> dict[str, Any]:
    identifiers = {"user": user} if user else {}
    return {
        "type": "track",
        "name": name,
        "device": {"id": device, "type": "phone"},
        "channel": "app",
        "identifiers": identifiers,
        **more,
    }


def test_the_key_of_a_link_is_taken_out_of_the_address_and_events_appear_also_after_a_restart(
    page: Page, service: CollectorProcess
) -> None:
    page.goto(f"{service.url}/#key={READ_KEY}")
    service.send(touch("before_restart", "restart-1"))
    expect(page.locator("#events")).to_contain_text("before_restart", timeout=PATIENCE_MS)
    assert page.url == f"{service.url}/"
    service.restart()
    service.send(touch("after_restart", "restart-1"))
    expect(page.locator("#events")).to_contain_text("after_restart", timeout=PATIENCE_MS)
    expect(page.locator("#trouble")).to_be_hidden(timeout=PATIENCE_MS)
    assert page.locator("#events .name", has_text="before_restart").count() == 1


def test_nothing_is_shown_without_a_key_that_may_read(page: Page, service: CollectorProcess) -> None:
    page.goto(service.url)
    expect(page.locator("#view-key")).to_be_visible()
    expect(page.locator("#view-live")).to_be_hidden()
    page.keyboard.type(KEY)  # the field has the focus
    page.keyboard.press("Enter")
    expect(page.locator("#trouble")).to_contain_text("may not read", timeout=PATIENCE_MS)
    expect(page.locator("#view-live")).to_be_hidden()
    page.keyboard.type(READ_KEY)
    page.keyboard.press("Enter")
    expect(page.locator("#view-live")).to_be_visible(timeout=PATIENCE_MS)


def test_a_person_is_found_by_keyboard_alone_and_has_a_lane_for_each_device(
    page: Page, service: CollectorProcess
) -> None:
    service.send(touch("seen_on_one", "lane-1", "laner"), touch("seen_on_two", "lane-2", "laner"))
    page.goto(f"{service.url}/#key={READ_KEY}")
    expect(page.locator("#events")).to_contain_text("seen_on_two", timeout=PATIENCE_MS)
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#view-person")).to_be_visible()
    page.locator("#value").focus()
    page.keyboard.type("laner")
    # Stitching takes a moment.
    for _ in range(60):
        with page.expect_response("**/v1/journey/**"):
            page.keyboard.press("Enter")
        expect(page.locator("#found")).not_to_be_empty()
        if page.locator("#found circle").count() == 2:
            break
        page.wait_for_timeout(500)
    expect(page.locator("#found circle")).to_have_count(2)
    expect(page.locator("#found .lane")).to_have_count(2)
    expect(page.locator("#found .over")).to_have_count(1)
    expect(page.locator("#found tbody tr")).to_have_count(2)


def test_markup_in_what_an_event_says_stays_text(page: Page, service: CollectorProcess) -> None:
    service.send(touch(HOSTILE, HOSTILE, HOSTILE, channel="app", properties={HOSTILE: HOSTILE}))
    page.goto(f"{service.url}/#key={READ_KEY}")
    expect(page.locator("#events .name", has_text=HOSTILE)).to_be_visible(timeout=PATIENCE_MS)
    page.locator("nav a", has_text="Person").click()
    page.locator("#value").fill(HOSTILE)
    for _ in range(60):
        with page.expect_response("**/v1/journey/**"):
            page.locator("#person-form button").click()
        page.wait_for_timeout(500)
        if page.locator("#found tbody tr").count():
            break
    expect(page.locator("#found tbody td", has_text=HOSTILE).first).to_be_visible()
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "Stitchline"


def test_a_filter_hides_and_a_pause_holds_what_arrives(page: Page, service: CollectorProcess) -> None:
    service.send(touch("kept_event", "filter-1"), touch("other_event", "filter-1"))
    page.goto(f"{service.url}/#key={READ_KEY}")
    expect(page.locator("#events")).to_contain_text("kept_event", timeout=PATIENCE_MS)
    page.locator("#filter").fill("kept_event")
    expect(page.locator("#events .name", has_text="other_event")).to_be_hidden()
    expect(page.locator("#events .name", has_text="kept_event")).to_be_visible()
    page.locator("#filter").fill("")
    page.locator("#pause").click()
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    service.send(touch("while_paused", "filter-1"))
    other = page.context.new_page()
    other.goto(f"{service.url}/#key={READ_KEY}")
    expect(other.locator("#events")).to_contain_text("while_paused", timeout=PATIENCE_MS)
    expect(page.locator("#events")).not_to_contain_text("while_paused")
    page.locator("#pause").click()
    service.send(touch("after_pause", "filter-1"))
    expect(page.locator("#events")).to_contain_text("after_pause", timeout=PATIENCE_MS)
    expect(page.locator("#events")).to_contain_text("while_paused")


def test_rejected_events_are_told_with_their_reason(page: Page, service: CollectorProcess) -> None:
    service.send({"type": "no such type", "name": "bad"})
    page.goto(f"{service.url}/#key={READ_KEY}")
    page.locator("nav a", has_text="Health").click()
    expect(page.locator("#facts")).to_contain_text("Loaded rows", timeout=PATIENCE_MS)
    expect(page.locator("#reasons li")).to_have_count(1)
    expect(page.locator("#reasons li")).to_contain_text(": 1")


def test_the_policy_allows_no_inline_script_and_no_other_host(service: CollectorProcess) -> None:
    for path in ("/", "/page/page.js"):
        with urllib.request.urlopen(service.url + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy


def test_a_file_outside_the_page_is_not_served(service: CollectorProcess) -> None:
    for name in ("..%2f__init__.py", "__init__.py", "%2fetc%2fpasswd"):
        status, _, _ = service.request("GET", f"/page/{name}")
        assert status == 404
