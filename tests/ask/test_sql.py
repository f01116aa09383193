"""What `POST /v1/sql` runs, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from stitchline_collector.ask.sql import content_type

if TYPE_CHECKING:
    from aiohttp.test_utils import TestClient


async def test_a_select_is_answered_in_json(client: TestClient[Any, Any]) -> None:
    answer = await client.post("/v1/sql", data="SELECT count() AS n FROM person_events")
    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert (await answer.json())["data"] == [{"n": 8}]


async def test_any_format_of_clickhouse_can_be_asked_for(client: TestClient[Any, Any]) -> None:
    answer = await client.post("/v1/sql?format=CSVWithNames", data="WITH 1 AS x SELECT x, 'ü' AS y;")
    assert await answer.text() == '"x","y"\n1,"ü"\n'
    assert answer.content_type == "text/csv"
    parquet = await client.post("/v1/sql?format=Parquet", data="SELECT 1")
    assert (await parquet.read()).startswith(b"PAR1")


async def test_parameters_are_bound_and_not_pasted(client: TestClient[Any, Any]) -> None:
    answer = await client.post(
        "/v1/sql",
        params={"format": "TSV", "param_who": "x' OR '1'='1"},
        data="SELECT count() FROM events WHERE identifiers['user'] = {who:String}",
    )
    assert (await answer.text()).strip() == "0"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE events_raw",
        "INSERT INTO identity_folds VALUES (now())",
        "SELECT 1; SELECT 2",
        "SELECT 1 INTO OUTFILE '/tmp/stitchline-stolen'",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT nothing_like_this FROM events",
        "SELECT",
        "",
        "   \n",
    ],
)
async def test_what_is_not_one_reading_statement_is_400_and_says_why(
    client: TestClient[Any, Any], statement: str
) -> None:
    answer = await client.post("/v1/sql", data=statement)
    assert answer.status == 400
    told = await answer.json()
    assert told["error"]
    assert "\n" not in told["error"]
    assert told["hint"]


async def test_an_unknown_format_is_named(client: TestClient[Any, Any]) -> None:
    answer = await client.post("/v1/sql?format=Nonsense", data="SELECT 1")
    assert answer.status == 400
    assert "Nonsense" in (await answer.json())["error"]


def test_media_types_follow_the_formats() -> None:
    assert content_type("JSON") == "application/json; charset=utf-8"
    assert content_type("JSONEachRow") == "application/x-ndjson; charset=utf-8"
    assert content_type("TSVWithNames") == "text/tab-separated-values; charset=utf-8"
    assert content_type("Parquet") == "application/octet-stream"
