"""Who cannot see well or has no mouse: contrast, names of controls and the order of the tab key, in a real browser."""

from __future__ import annotations

import json
import time
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import TOOLS
from tests.page.test_page import has_evidence, is_one_person, touch
from tests.page.visitor import PATIENCE_MS, READ_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes import CollectorProcess

AXE = (TOOLS / "node_modules" / "axe-core" / "axe.min.js").read_text()
# WCAG 2.2, levels A and AA.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
FOCUSED = """() => {
    const one = document.activeElement;
    if (one === document.body) return "";
    const label = one.labels?.[0]?.cloneNode(true);
    label?.querySelectorAll("input, select").forEach(field => field.remove());
    return (one.getAttribute("aria-label") ?? label?.textContent ?? one.textContent).trim();
}"""
CONTRASTS = """() => {
    const light = text => {
        const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(n => n / 255).map(n => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const back = light(getComputedStyle(document.body).backgroundColor);
    return [...document.querySelectorAll("input, select, button")].map(one => {
        const edge = light(getComputedStyle(one).borderTopColor);
        return (Math.max(edge, back) + 0.05) / (Math.min(edge, back) + 0.05);
    });
}"""


@pytest.fixture(scope="module")
def told(service: CollectorProcess) -> CollectorProcess:
    """A collector that knows of one person with stages, two devices and evidence, and of a rejected event."""
    now = time.time()
    moments = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - ago)) for ago in (7200, 3600, 1800, 60)]
    service.send(
        touch("page_viewed", "d-1", stage="awareness", occurred_at=moments[0]),
        touch("product_viewed", "d-1", stage="consideration", occurred_at=moments[1]),
        touch("signed_in", "d-1", "eve", type="identify", occurred_at=moments[2]),
        touch("order_completed", "d-2", "eve", stage="purchase", occurred_at=moments[3]),
        {"type": "none"},
    )
    is_one_person(service, "eve", 4)
    has_evidence(service, "eve", 1)
    return service


@pytest.fixture(params=["light", "dark"])
def visitor(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A visitor with a theme."""
    theme: Literal["light", "dark"] = request.param
    context = browser.new_context(color_scheme=theme, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()


def open_view(page: Page, service: CollectorProcess, view: str) -> None:
    """Open a view and wait until it shows something."""
    if view == "key":
        page.goto(service.url)
        expect(page.locator("#key")).to_be_focused(timeout=PATIENCE_MS)
        return
    asked = "who=user:eve" if view == "person" else f"view={view}"
    page.goto(f"{service.url}/#key={READ_KEY}&{asked}")
    shows = {
        "live": "#events li",
        "person": "#found svg.graph",
        "questions": "#answers svg",
        "health": "#reasons li",
    }
    page.locator(shows[view]).first.wait_for()


def violations(page: Page) -> list[str]:
    """What axe finds, in words."""
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate(f"axe.run({json.dumps(RULES)})")["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


def stops(page: Page) -> list[str]:
    """What the tab key leads to, by name, from where it is until it leaves the page; the parts of a date are one."""
    found = [page.evaluate(FOCUSED)]
    while (found[-1] or len(found) == 1) and len(found) < 100:
        page.keyboard.press("Tab")
        found.append(page.evaluate(FOCUSED))
    return [name for name, _ in groupby(found) if name]


@pytest.mark.parametrize("view", ["key", "live", "person", "questions", "health"])
def test_everything_can_be_read_and_has_a_name(visitor: Page, told: CollectorProcess, view: str) -> None:
    open_view(visitor, told, view)

    assert violations(visitor) == []
    assert min(visitor.evaluate(CONTRASTS)) >= 3  # WCAG 1.4.11: where a field begins


HEAD = ["Live", "Person", "Questions", "Health", "Forget key"]


def test_the_tab_key_goes_through_all_controls_in_order(browser: Browser, told: CollectorProcess) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    open_view(page, told, "key")
    assert stops(page) == ["Key", "Open"]
    open_view(page, told, "live")
    assert stops(page)[:7] == [*HEAD, "Filter", "Pause"]
    open_view(page, told, "person")
    looking, *marks, graph, table, events = stops(page)[len(HEAD) + 4 :]
    assert (looking, graph) == ("Journey as lanes", "Evidence as a graph")
    assert (table, events) == ("Evidence as a table (2 rows)", "Events as a table")
    assert "page_viewed" in marks[0]
    open_view(page, told, "questions")
    asked = stops(page)
    assert asked[:8] == [*HEAD, "Question", "From", "To, included"]
    answers = ("Funnel, people, stitched: chart", "Funnel, devices, not stitched: chart")
    assert asked[-5:] == [
        "Ask",
        *(stop for answer in answers for stop in (answer, "Numbers as a table (6 rows)")),
    ]
    page.close()
