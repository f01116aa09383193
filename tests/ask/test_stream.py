"""What `GET /v1/tail/stream` tells, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from stitchline_collector.ask import stream
from tests.ask.test_tail import arriving
from tests.stitch.stories import load

if TYPE_CHECKING:
    import pytest
    from aiohttp import ClientResponse
    from aiohttp.test_utils import TestClient

    from stitchline_collector.engine import Engine

WITHIN_S = 60


async def message(answer: ClientResponse) -> dict[str, str]:
    """The next message or comment, by field."""
    async with asyncio.timeout(WITHIN_S):
        text = (await answer.content.readuntil(b"\n\n")).decode()
    return {field: value for field, _, value in (line.partition(": ") for line in text.splitlines()) if field}


async def event(answer: ClientResponse) -> dict[str, Any]:
    """The next event; passes over comments."""
    while "data" not in (told := await message(answer)):
        pass
    return {**json.loads(told["data"]), "cursor": told.get("id", "")}


async def test_a_stream_begins_with_the_latest_and_goes_on_with_what_arrives_each_event_once(
    client: TestClient[Any, Any], bank: Engine
) -> None:
    load(bank, [arriving("before")])
    async with client.get("/v1/tail/stream", params={"events": "1"}) as answer:
        assert answer.content_type == "text/event-stream"
        first = await message(answer)
        assert first["retry"] == "1000"
        assert first["id"]
        assert (await event(answer))["name"] == "before"
        load(bank, [arriving("then", user="42")])
        told = await event(answer)
        assert (told["name"], told["identifiers"]) == ("then", {"user": "42"})
        load(bank, [arriving("at last")])
        assert (await event(answer))["name"] == "at last"


async def test_a_stream_goes_on_after_the_event_that_was_heard_last(
    client: TestClient[Any, Any], bank: Engine
) -> None:
    load(bank, [arriving("heard")])
    async with client.get("/v1/tail/stream", params={"events": "1"}) as answer:
        heard = await event(answer)
    load(bank, [arriving("while away")])
    async with client.get("/v1/tail/stream", headers={"Last-Event-ID": heard["cursor"]}) as answer:
        told = [await event(answer)]
        while told[-1]["name"] != "while away":
            told.append(await event(answer))
        # What arrived just before may be told again, under the same id.
        assert len({one["event_id"] for one in told}) == len(told)


async def test_only_events_of_a_name_are_streamed_when_asked_for(
    client: TestClient[Any, Any], bank: Engine
) -> None:
    async with client.get("/v1/tail/stream", params={"name": "wanted", "events": "0"}) as answer:
        await message(answer)
        load(bank, [arriving("other"), arriving("wanted")])
        assert (await event(answer))["name"] == "wanted"


async def test_a_silent_stream_still_speaks(
    client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BEAT_S", 0.1)
    async with client.get("/v1/tail/stream", params={"events": "0"}) as answer:
        await message(answer)
        assert await message(answer) == {":": ""}


async def test_a_look_that_may_have_left_out_events_says_so(
    client: TestClient[Any, Any], bank: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_AT_ONCE", 3)
    async with client.get("/v1/tail/stream", params={"events": "0", "name": "many"}) as answer:
        await message(answer)
        load(bank, [arriving("many") for _ in range(5)])
        while "event" not in (told := await message(answer)):
            pass
        assert (told["event"], json.loads(told["data"])) == ("missed", {"most": 3})


async def test_no_more_streams_than_the_bound_and_one_that_is_left_makes_room(
    client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_STREAMS", 1)
    async with client.get("/v1/tail/stream") as answer:
        await message(answer)
        refused = await client.get("/v1/tail/stream")
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        answer.close()
    async with asyncio.timeout(WITHIN_S):
        while True:
            async with client.get("/v1/tail/stream") as again:
                if again.status == 200:
                    break


async def test_streams_end_in_good_order_when_the_collector_stops(client: TestClient[Any, Any]) -> None:
    async with client.get("/v1/tail/stream", params={"events": "0"}) as answer:
        await message(answer)
        assert client.server.runner is not None
        stopping = asyncio.create_task(client.server.runner.cleanup())
        async with asyncio.timeout(WITHIN_S):
            assert await answer.content.read() == b""  # an end that is cut off raises
        await stopping


async def test_a_stream_needs_a_key_and_a_cursor_of_ours(client: TestClient[Any, Any]) -> None:
    refused = await client.get("/v1/tail/stream", headers={"Authorization": "Bearer other"})
    assert refused.status == 401
    refused = await client.get("/v1/tail/stream", headers={"Last-Event-ID": "yesterday"})
    assert refused.status == 400
