"""The questions on the page: pictures and tables of what the analysts' views answer."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.page.visitor import HOSTILE, PATIENCE_MS, READ_KEY, asked, sql_until

if TYPE_CHECKING:
    from tests.processes import CollectorProcess

VENDOR = Path(__file__).parents[2] / "collector" / "stitchline_collector" / "page" / "static" / "vendor"
QUESTIONS = {
    "funnel": ("funnel", {"by": "stage", "window_s": "2592000"}),
    "transitions": ("stage_transitions", {}),
    "paths": ("paths", {"depth": "3", "top": "8"}),
    "handovers": ("handovers", {"by": "channel"}),
    "days": ("people_by_day", {"breakdown": "channel"}),
    "underperforming": ("underperforming", {"by": "channel"}),
}
CHARTS = "#answers figure .chart svg"
# The middle of each shape that can be seen and pointed at.
SHAPES = """svg => [...svg.querySelectorAll("path")].map(path => path.getBoundingClientRect())
  .filter(box => box.width > 4 && box.height > 4).map(box => [box.x + box.width / 2, box.y + box.height / 2])
  .filter(([x, y]) => x > 0 && x < innerWidth && y > 0 && y < innerHeight)"""


@pytest.fixture(scope="module")
def told(service: CollectorProcess) -> CollectorProcess:
    """A collector with journeys of three people on two devices each, one of whom speaks HTML."""
    now = dt.datetime.now(dt.UTC)
    events = []
    for n, words in enumerate(("", "", HOSTILE)):
        steps = (
            ("phone", "ads", "awareness", "ad_clicked"),
            ("phone", words or "web", words or "consideration", words or "product_viewed"),
            ("desktop", words or "app", "consideration", "product_added"),
            ("desktop", "app", "purchase", "order_completed"),
        )
        for step, (device, channel, stage, name) in enumerate(steps):
            at = now - dt.timedelta(days=2, minutes=10 * (len(steps) - step))
            events.append(
                {
                    "type": "track",
                    "name": name,
                    "channel": channel,
                    "stage": stage,
                    "device": {"id": f"{device}-{n}", "type": device},
                    "identifiers": {"user": f"asked-{n}"},
                    "occurred_at": at.isoformat().replace("+00:00", "Z"),
                    "page": {"url": "https://shop.example/", "title": words},
                    "campaign": {"name": words, "source": words},
                }
            )
    service.send(*events)
    sql_until(
        service,
        "SELECT toUInt8(uniq(person_id)), toUInt8(uniq(device.id)) FROM person_events WHERE startsWith(device.id, 'phone-') OR startsWith(device.id, 'desktop-')",
        [[3, 6]],
    )
    return service


def ask(page: Page, service: CollectorProcess, **said: str) -> None:
    """Open a question by its link, and wait for its pictures or words."""
    page.goto(f"{service.url}/#key={READ_KEY}")
    page.evaluate("hash => { location.hash = hash }", f"questions?{urlencode(said)}")
    expect(page.locator("#questions-said")).not_to_have_text("", timeout=PATIENCE_MS)
    expect(page.locator("#questions-said")).not_to_contain_text("Asking", timeout=PATIENCE_MS)


def answer(service: CollectorProcess, question: str, stitched: int) -> list[dict[str, Any]]:
    query, parameters = QUESTIONS[question]
    since = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=29)
    given = urlencode(
        {**parameters, "stitched": stitched, "since": since.isoformat(), "format": "JSONEachRow"}
    )
    return [json.loads(line) for line in asked(service, "GET", f"/v1/queries/{query}?{given}").splitlines()]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_shows_what_its_view_answers_by_person_and_by_device(
    page: Page, told: CollectorProcess, question: str
) -> None:
    ask(page, told, question=question)
    expect(page.locator(CHARTS)).to_have_count(2, timeout=PATIENCE_MS)
    for side, stitched in (("stitched", 1), ("device", 0)):
        rows = answer(told, question, stitched)
        figure = page.locator(f"figure[data-side={side}]")
        shown = figure.locator("tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        )
        assert len(shown) == len(rows) > 0
        for row, cells in zip(rows, shown, strict=True):
            words = [value for value in row.values() if isinstance(value, str) and not value.isdigit()]
            assert [word for word in words if word not in cells] in ([], [""]), (row, cells)
            assert str(row["people"]) in cells
        drawn = figure.locator("svg text").all_text_contents()
        label = figure.locator(".chart").get_attribute("aria-label") or ""
        if question == "funnel":
            for row in rows:
                assert any(
                    text.startswith(row["name"][:10]) and f" {row['people']} " in text for text in drawn
                )
                assert f"{row['name']}: {row['people']} " in label
        if question == "transitions":
            numbers = sorted(int(text) for text in drawn if text.isdigit())
            assert numbers == sorted(int(row["people"]) for row in rows)
    assert page.locator("figure[data-side=stitched] table").text_content() != page.locator(
        "figure[data-side=device] table"
    ).text_content() or question in ("days", "underperforming")


@pytest.mark.parametrize("question", QUESTIONS)
def test_markup_in_names_stays_text_in_pictures_their_tooltips_and_tables(
    page: Page, told: CollectorProcess, question: str
) -> None:
    steps = {"by": "event", "steps": f"ad_clicked,{HOSTILE}"} if question == "funnel" else {}
    ask(page, told, question=question, compare="stitched", **steps)
    picture = page.locator(CHARTS)
    expect(picture).to_have_count(1, timeout=PATIENCE_MS)
    page.locator("#answers summary").click()
    expect(page.locator("#answers tbody")).to_contain_text(HOSTILE)
    picture.evaluate("svg => svg.scrollIntoView({ block: 'center' })")
    shapes = picture.evaluate(SHAPES)
    for x, y in shapes:
        page.mouse.move(x, y)
        if HOSTILE in (picture.text_content() or ""):
            break  # labels are cut short: it is in a tooltip
    expect(picture).to_contain_text(HOSTILE)
    assert page.locator("main img, main script, svg foreignObject").count() == 0
    assert page.title() == "Stitchline"


def test_a_breakdown_by_campaign_shows_markup_as_text(page: Page, told: CollectorProcess) -> None:
    ask(page, told, question="days", breakdown="campaign", compare="stitched")
    expect(page.locator(CHARTS)).to_have_count(1, timeout=PATIENCE_MS)
    page.locator("#answers summary").click()
    expect(page.locator("#answers tbody")).to_contain_text(HOSTILE)
    assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("breakdown", ["channel", "device", "source", "campaign", "country"])
def test_a_funnel_is_split_into_one_for_each_part(page: Page, told: CollectorProcess, breakdown: str) -> None:
    ask(page, told, question="funnel", breakdown=breakdown, compare="stitched")
    expect(page.locator(CHARTS)).to_have_count(1, timeout=PATIENCE_MS)
    since = (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=29)).isoformat()
    given = urlencode({"breakdown": breakdown, "since": since, "format": "JSONEachRow"})
    rows = [json.loads(line) for line in asked(told, "GET", f"/v1/queries/funnel?{given}").splitlines()]
    shown = page.locator("#answers tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].slice(0, 4).map(cell => cell.textContent))"
    )
    assert shown == [
        [row["part"] or "none", str(row["step"]), row["name"], str(row["people"])] for row in rows
    ]
    label = page.locator(".chart").get_attribute("aria-label") or ""
    part = (rows[0]["part"] or "none")[:13]
    assert label.startswith(part)
    assert f" · {rows[0]['name']}: {rows[0]['people']} " in label
    assert page.locator("main img, main script, svg foreignObject").count() == 0


def test_the_library_of_the_charts_is_fetched_when_a_question_is_opened(
    page: Page, told: CollectorProcess
) -> None:
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(f"{told.url}/#key={READ_KEY}")
    expect(page.locator("#events li").first).to_be_visible(timeout=PATIENCE_MS)
    assert not [url for url in fetched if "vendor" in url]
    page.locator("nav a", has_text="Questions").click()
    expect(page.locator(CHARTS)).to_have_count(2, timeout=PATIENCE_MS)
    assert len([url for url in fetched if "vendor" in url]) == 1
    assert not [url for url in fetched if not url.startswith(told.url)]


def test_hand_overs_between_two_stages_answer_which_channels_they_lead_between(
    page: Page, told: CollectorProcess
) -> None:
    ask(page, told, question="handovers", from_stage="awareness", to_stage="consideration")
    expect(page.locator("#questions-said")).to_contain_text(
        "Most people go from ads to web from awareness to consideration: 2"
    )
    stages = page.locator("figure[data-side=stitched] tbody tr").evaluate_all(
        "rows => rows.map(row => [row.cells[2].textContent, row.cells[3].textContent].join())"
    )
    assert set(stages) == {"awareness,consideration"}


def test_where_nobody_was_the_page_says_what_to_do(page: Page, told: CollectorProcess) -> None:
    page.goto(f"{told.url}/#key={READ_KEY}")
    page.evaluate("location.hash = 'questions?question=funnel&since=2020-01-01&until=2020-01-02'")
    expect(page.locator("#answers .empty").first).to_contain_text(
        "Choose an earlier start", timeout=PATIENCE_MS
    )
    expect(page.locator("#answers .empty")).to_have_count(2)


def test_what_the_view_refuses_is_said_in_words(page: Page, told: CollectorProcess) -> None:
    ask(page, told, question="paths", depth="many")
    expect(page.locator("#questions-said")).to_contain_text("No answer: ")
    expect(page.locator("#answers figure")).to_have_count(0)


def test_a_question_is_asked_by_keyboard_and_stands_in_the_address(
    page: Page, told: CollectorProcess
) -> None:
    ask(page, told, question="paths")
    page.locator("[name=event]").focus()
    page.keyboard.type("ad_clicked")
    page.keyboard.press("Enter")
    expect(page.locator("#questions-said")).to_contain_text("ad_clicked to", timeout=PATIENCE_MS)
    assert "event=ad_clicked" in page.url
    page.reload()
    expect(page.locator("[name=event]")).to_have_value("ad_clicked")
    expect(page.locator("#questions-said")).to_contain_text("ad_clicked to", timeout=PATIENCE_MS)


def test_the_library_of_the_charts_is_the_one_that_its_page_describes() -> None:
    digest = hashlib.sha256((VENDOR / "echarts.js").read_bytes()).hexdigest()
    page = (VENDOR / "README.md").read_text()
    assert digest in page
    for licence in re.findall(r"\]\(((?:LICENSE|NOTICE)[\w-]*)\)", page):
        assert (VENDOR / licence).stat().st_size > 100
