"""Views by name, over real HTTP and with the command."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from stitchline_collector.cli.answer import drawn
from stitchline_collector.cli.changes import between, in_words
from stitchline_collector.cli.query import query
from tests.ask.test_commands import run

if TYPE_CHECKING:
    from aiohttp.test_utils import TestClient

STEPS = {"by": "event", "steps": "offer_shown,offer_accepted,contract_signed"}


async def test_a_view_is_asked_with_its_parameters_and_answered_in_any_format(
    client: TestClient[Any, Any],
) -> None:
    answer = await client.get("/v1/queries/funnel", params={**STEPS, "format": "CSV"})
    assert answer.status == 200, await answer.text()
    assert answer.content_type == "text/csv"
    rows = [line.split(",")[2:4] for line in (await answer.text()).splitlines()]
    assert rows == [['"offer_shown"', "1"], ['"offer_accepted"', "1"], ['"contract_signed"', "1"]]


async def test_by_device_the_contract_in_the_branch_has_nothing_before_it(
    client: TestClient[Any, Any],
) -> None:
    answer = await client.get("/v1/queries/funnel", params={**STEPS, "stitched": "0"})
    assert [row["people"] for row in (await answer.json())["data"]] == [1, 1, 0]


async def test_the_views_are_listed_with_their_defaults(client: TestClient[Any, Any]) -> None:
    answer = await client.get("/v1/queries")
    listed = {one["name"]: one for one in (await answer.json())["queries"]}
    assert {"name": "stitched", "type": "UInt8", "default": "1"} in listed["funnel"]["parameters"]


async def test_a_view_needs_a_key_a_name_and_right_values(client: TestClient[Any, Any]) -> None:
    refused = await client.get("/v1/queries/funnel", headers={"Authorization": "Bearer other"})
    assert refused.status == 401
    unknown = await client.get("/v1/queries/nothing")
    assert (unknown.status, "there is no query 'nothing'" in await unknown.text()) == (404, True)
    wrong = await client.get("/v1/queries/funnel", params={"window_s": "soon"})
    assert (wrong.status, "window_s" in (await wrong.json())["error"]) == (400, True)
    misspelt = await client.get("/v1/queries/funnel", params={**STEPS, "order": "orderd"})
    assert misspelt.status == 400
    assert "order is ordered, strict or any" in (await misspelt.json())["error"]


async def test_query_draws_a_table_with_bars_where_there_is_room(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    result = await run(query, "funnel", "-p", "by=event", "-p", f"steps={STEPS['steps']}", url=url)
    assert result.exit_code == 0, result.output
    assert re.search("3 │ contract_signed │ +1 .*█", result.output), result.output
    monkeypatch.setenv("COLUMNS", "80")
    narrow = await run(query, "funnel", "-p", "by=event", "-p", f"steps={STEPS['steps']}", url=url)
    assert "█" not in narrow.output
    assert "3 rows in" in narrow.output


async def test_query_turns_what_is_too_wide_for_the_terminal(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = await run(query, "data_quality", url=url)
    assert re.search(r"^ +events  8\s*$", result.output, re.MULTILINE), result.output
    assert re.search(r"^without_channel  0\s*$", result.output, re.MULTILINE), result.output


async def test_query_prints_what_there_is_to_ask(url: str) -> None:
    assert "window_s = 2592000" in (await run(query, url=url)).output
    assert "queries" in json.loads((await run(query, "--json", url=url)).output)


async def test_query_tells_what_is_wrong(url: str) -> None:
    assert "NAME=VALUE" in (await run(query, "funnel", "-p", "steps", url=url)).output
    assert "it has by, steps" in (await run(query, "funnel", "-p", "step=a", url=url)).output


def test_bars_are_as_long_as_their_numbers_say() -> None:
    assert [len(bar) for bar in drawn([100, 50, 25, 0, -1])] == [24, 12, 6, 0, 0]
    assert drawn([1000, 20]) == ["█" * 24, "▌"]


async def test_an_answer_of_then_is_compared_with_that_of_now(url: str) -> None:
    now = json.loads((await run(query, "handovers", "--json", url=url)).output)["data"]
    then = json.loads((await run(query, "handovers", "--as-of", "2100-01-01", "--json", url=url)).output)[
        "data"
    ]
    assert then == now != []
    same = await run(query, "handovers", "--as-of", "2100-01-01", "--diff", url=url)
    assert same.output == f"{len(now)} rows are as they were\n"
    found = json.loads(
        (await run(query, "handovers", "--as-of", "2001-01-01", "--diff", "--json", url=url)).output
    )
    assert [one["then"] for one in found["changes"]] == [None] * len(now)
    assert [one["now"] for one in found["changes"]] == [list(row.values()) for row in now]
    shown = await run(query, "handovers", "--as-of", "2001-01-01", "--diff", url=url)
    assert "- → 1" in shown.output
    assert "0 rows are as they were" in shown.output


async def test_what_cannot_be_compared_says_so(url: str) -> None:
    assert (
        "timeline tells of now alone"
        in (await run(query, "timeline", "--as-of", "2026-11-01", url=url)).output
    )
    for arguments in (["funnel", "--diff"], ["funnel", "--diff", "--as-of", "2026-11-01", "--format", "CSV"]):
        assert "--diff needs --as-of" in (await run(query, *arguments, url=url)).output


def test_rows_belong_together_by_their_words() -> None:
    meta = [{"name": "channel", "type": "String"}, {"name": "people", "type": "UInt64"}]

    def told(*data: list[object]) -> dict[str, Any]:
        return {"meta": meta, "data": list(data), "statistics": {"elapsed": 0.5}}

    found = between(told(["web", 1], ["app", 2], ["atm", 3]), told(["app", 5], ["web", 1], ["store", 4]))
    assert (found["same"], found["statistics"]["elapsed"]) == (1, 1.0)
    assert in_words(found)["data"] == [["app", "2 → 5"], ["- → store", "- → 4"], ["atm → -", "3 → -"]]
