"""The page at `/`, in a real browser."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.page.visitor import HOSTILE, PATIENCE_MS, READ_KEY, asked
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


def is_one_person(service: CollectorProcess, user: str, events: int) -> None:
    """Wait until the user is found by name, with all their events."""
    _finds(service, f"/v1/journey/user/{quote(user, safe='')}", "events", events)


def has_evidence(service: CollectorProcess, user: str, edges: int) -> None:
    """Wait until the evidence of a user is written down, which is a moment after the events are found."""
    _finds(service, f"/v1/identity/evidence/user/{quote(user, safe='')}", "edges", edges)


def _finds(service: CollectorProcess, path: str, what: str, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while (found := len(json.loads(asked(service, "GET", path, missing=b"{}")).get(what, []))) < wanted:
        assert time.monotonic() < deadline, f"{path} has {found} {what}, not {wanted}"
        time.sleep(0.05)


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


def find(page: Page, user: str) -> None:
    """Look for a person by keyboard, in the view that is open."""
    page.locator("#value").fill(user)
    page.locator("#value").press("Enter")


def test_a_person_is_found_by_keyboard_alone_and_has_a_lane_for_each_device(
    page: Page, service: CollectorProcess
) -> None:
    service.send(
        touch("seen_on_one", "lane-1", "laner", stage="awareness"),
        touch("seen_on_two", "lane-2", "laner", stage="purchase"),
    )
    is_one_person(service, "laner", 2)
    page.goto(f"{service.url}/#key={READ_KEY}")
    expect(page.locator("#events")).to_contain_text("seen_on_two", timeout=PATIENCE_MS)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#view-person")).to_be_visible()
    find(page, "laner")
    expect(page.locator("#found .mark")).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.locator("#found .lane")).to_have_count(2)
    expect(page.locator("#found .over")).to_have_count(1)
    expect(page.locator("#person-events tbody tr")).to_have_count(2)
    expect(page.locator("#found .stage-band text")).to_have_text(["awareness", "purchase"])
    page.locator("#found .mark").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".picked tbody tr")).to_have_count(1)
    expect(page.locator(".picked tbody")).to_contain_text("seen_on_two")


def test_events_close_in_time_are_one_mark_with_their_number_that_lists_them(
    page: Page, service: CollectorProcess
) -> None:
    service.send(*(touch(f"quick_{n}", "quick-1", "quick") for n in range(12)))
    is_one_person(service, "quick", 12)
    page.goto(f"{service.url}/#key={READ_KEY}&who=user:quick")
    expect(page.locator("#found .mark")).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.locator("#found .mark text")).to_have_text("12")
    page.locator("#found .mark").click()
    expect(page.locator(".picked tbody tr")).to_have_count(12)


def test_a_derived_stage_is_told_from_one_that_an_event_carries(
    page: Page, service: CollectorProcess
) -> None:
    service.send(
        touch("signed_up", "friend-1", "friend", stage="retention"),
        touch("friend_invited", "friend-1", "friend"),
    )
    is_one_person(service, "friend", 2)
    page.goto(f"{service.url}/#key={READ_KEY}&who=user:friend")
    expect(page.locator("#found .stage-band text")).to_have_text(
        ["retention", "advocacy"], timeout=PATIENCE_MS
    )
    expect(page.locator("#found .stage-band.derived text")).to_have_text(["advocacy"])
    row = page.locator("#person-events tbody tr", has_text="friend_invited")
    expect(row).to_contain_text("advocacy (derived)")
    expect(row).to_contain_text("told_a_friend")


def test_the_evidence_is_a_graph_with_what_was_refused_dashed_and_its_rule(
    page: Page, service: CollectorProcess
) -> None:
    service.send(
        touch("signed_in", "graph-1", "grapher"),
        {
            **touch("signed_in", "graph-atm", "grapher"),
            "device": {"id": "graph-atm", "type": "atm"},
        },
    )
    has_evidence(service, "grapher", 2)
    page.goto(f"{service.url}/#key={READ_KEY}&who=user:grapher")
    expect(page.locator("#found .node")).to_have_count(3, timeout=PATIENCE_MS)
    expect(page.locator("#found .node.other")).to_have_count(1)
    expect(page.locator("#found .edge")).to_have_count(2)
    expect(page.locator("#found .edge.refused title")).to_contain_text("refused: shared_device")
    page.locator("#found summary").click()
    row = page.locator("#found details tbody tr", has_text="graph-atm")
    expect(row).to_contain_text("signed_in")
    expect(row).to_contain_text("a shared device belongs to nobody")


def test_without_a_person_there_are_people_to_choose_from_and_live_leads_to_them_too(
    page: Page, service: CollectorProcess
) -> None:
    service.send(*(touch("seen", f"choice-{n}", "chosen") for n in range(5)))
    is_one_person(service, "chosen", 5)
    page.goto(f"{service.url}/#key={READ_KEY}&view=person")
    page.locator("#found a", has_text="user:chosen").click(timeout=PATIENCE_MS)
    expect(page.locator("#found")).to_contain_text("5 events on 5 devices", timeout=PATIENCE_MS)
    page.locator("nav a", has_text="Live").click()
    page.locator("#events a", has_text="user:chosen").first.click(timeout=PATIENCE_MS)
    expect(page.locator("#view-person")).to_be_visible()
    expect(page.locator("#found")).to_contain_text("5 events on 5 devices", timeout=PATIENCE_MS)
    assert "chosen" not in page.url


def test_markup_in_what_an_event_says_stays_text(page: Page, service: CollectorProcess) -> None:
    service.send(
        touch(
            HOSTILE,
            HOSTILE,
            HOSTILE,
            channel="app",
            stage=HOSTILE,
            properties={HOSTILE: HOSTILE},
            page={"url": "https://shop.example/", "title": HOSTILE},
            campaign={"name": HOSTILE},
        )
    )
    is_one_person(service, HOSTILE, 1)
    has_evidence(service, HOSTILE, 1)
    page.goto(f"{service.url}/#key={READ_KEY}")
    expect(page.locator("#events .name", has_text=HOSTILE)).to_be_visible(timeout=PATIENCE_MS)
    page.locator("nav a", has_text="Person").click()
    find(page, HOSTILE)
    expect(page.locator("#person-events td", has_text=HOSTILE).first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#found .node title").first).to_contain_text(HOSTILE)
    page.locator("#found .mark").click()
    expect(page.locator(".picked td", has_text=HOSTILE).first).to_be_visible()
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
    expect(page.locator("#facts")).to_contain_text(re.compile(r"Newest event arrived\d+(\.\d)? (s|min) ago"))
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
