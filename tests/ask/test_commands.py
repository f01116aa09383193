"""The commands that ask a running collector, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from stitchline_collector.cli.journey import journey, render
from stitchline_collector.cli.sql import sql
from stitchline_collector.cli.stages import chart
from stitchline_collector.cli.tail import tail
from tests.ask.conftest import READ_KEY
from tests.ask.test_tail import arriving
from tests.stitch.stories import load

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine


async def run(command: Any, *arguments: str, url: str, key: str = READ_KEY, stdin: str | None = None) -> Any:
    """Run a command in a thread, as a process of its own would."""
    options = ["--url", url, "--key", key]
    return await asyncio.to_thread(CliRunner().invoke, command, [*arguments, *options], input=stdin)


async def test_journey_prints_person_chart_and_events_within_80_columns(url: str) -> None:
    result = await run(journey, "user:42", url=url)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(re.match(r"│ stage +signed", line) for line in lines)
    assert any(re.match(r"accepted +.*A", line) for line in lines)
    assert [
        line
        for line in lines
        if re.match(r"11:01:00 +phone app-1 +app +accepted +offer_accepted +user", line)
    ]


async def test_journey_prints_the_answer_as_json(url: str) -> None:
    result = await run(journey, "email:ada@example.com", "--json", url=url)
    assert len(json.loads(result.output)["events"]) == 6


async def test_journey_says_how_many_events_it_left_out(url: str) -> None:
    result = await run(journey, "user:42", "--events", "2", url=url)
    assert "4 earlier events: --events 6 prints all" in result.output


async def test_sql_prints_a_table_and_reads_standard_input(url: str) -> None:
    result = await run(
        sql, "-", url=url, stdin="SELECT channel, count() AS n FROM events GROUP BY channel ORDER BY channel"
    )
    assert result.exit_code == 0, result.output
    assert re.search(r"app +│ +3", result.output)
    assert "4 rows in" in result.output


async def test_sql_prints_any_format_as_it_comes(url: str) -> None:
    assert (await run(sql, "SELECT 1 AS x", "--format", "CSVWithNames", url=url)).output == '"x"\n1\n'
    assert json.loads((await run(sql, "SELECT 1 AS x", "--json", url=url)).output)["data"] == [{"x": 1}]


async def test_sql_tells_clickhouses_error_and_a_hint(url: str) -> None:
    result = await run(sql, "SELECT oops FROM events", url=url)
    assert result.exit_code == 1
    assert "oops" in result.output
    assert "SHOW TABLES" in result.output


async def test_tail_prints_events_as_they_arrive(url: str, bank: Engine) -> None:
    load(bank, [arriving("first", user="42")])
    running = asyncio.create_task(run(tail, "--json", "--count", "2", "--name", "first", url=url))
    load(bank, [arriving("first"), arriving("other")])
    result = await running
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["name"] for line in result.output.splitlines()] == ["first", "first"]
    shown = await run(tail, "--count", "1", "--name", "other", url=url)
    assert re.match(r"\d\d:\d\d:\d\d  other +app +phone P", shown.output)


@pytest.mark.parametrize("command", [(journey, "user:42"), (sql, "SELECT 1"), (tail,)])
async def test_without_a_collector_the_error_says_how_to_start_one(command: Any) -> None:
    result = await run(*command, url="http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "stitchline serve" in result.output


async def test_a_refused_key_says_which_one_is_needed(url: str) -> None:
    result = await run(journey, "user:42", url=url, key="another")
    assert result.exit_code == 1
    assert "read" in result.output
    assert "--key" in result.output


async def test_an_identifier_without_namespace_is_explained(url: str) -> None:
    result = await run(journey, "42", url=url)
    assert result.exit_code == 2
    assert "namespace:value" in result.output


def happened(stage: str, channel: str, day: int = 1) -> dict[str, Any]:
    return {"stage": stage, "channel": channel, "occurred_at": f"2026-11-{day:02}T10:00:00.000Z"}


def test_a_chart_goes_down_and_up_with_the_stages_and_names_each_day() -> None:
    events = [happened("a", "web"), happened("b", "app"), happened("b", "app", 2), happened("a", "web", 9)]
    assert [str(line) for line in chart(events)] == [
        "a               W─┐     ┌W",
        "b                 └A──A─┘",
        "                01 Nov   09 Nov",
        "",
        "                W web   A app",
    ]


def test_a_long_journey_fits_its_width_and_says_that_it_is_cut() -> None:
    events = [happened("abc"[i % 3], ("web", "app", "atm")[i % 2], i % 28 + 1) for i in range(500)]
    lines = [str(line) for line in chart(events, 80)]
    assert max(map(len, lines)) <= 80
    assert "…" in lines[0]


def test_without_stages_there_is_no_chart() -> None:
    assert chart([happened("", "web")]) == []
    assert chart([]) == []


def test_a_hostile_name_is_printed_as_it_is() -> None:
    person = {"person_id": "1", "stage": "[red]", "identifiers": [], "devices": [], "events": 1, "channels": [],
              "first_seen": "2026-11-22T10:00:00.000Z", "last_seen": "2026-11-22T10:00:00.000Z"}  # fmt: skip
    event = {
        **happened("[red]", "[/]"),
        "name": "[bold]x[/bold]",
        "type": "track",
        "device": {"id": "", "type": ""},
        "found_by": "user:1",
    }
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as printed:
        console.print(render({"person": person, "events": [event]}, "user:[b]", 80))
    assert "[bold]x[/bold]" in printed.get()
    assert "user:[b]" in printed.get()
