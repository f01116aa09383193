"""The pool behind the questions."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from stitchline_collector.ask.readers import Readers
from stitchline_collector.engine import EngineUnavailable

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine


async def test_more_questions_than_fit_are_refused_at_once(engine: Engine) -> None:
    release = threading.Event()
    readers = Readers(engine.reader, threads=1, waiting=1)
    running = [asyncio.create_task(readers.ask(lambda _: release.wait(30))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(EngineUnavailable):
        await readers.ask(lambda _: None)
    release.set()
    assert await asyncio.gather(*running) == [True, True]
    assert await readers.ask(lambda reader: reader.query("SELECT 1")) == [(1,)]
    readers.close()


async def test_after_clickhouse_was_away_the_next_question_connects_anew(engine: Engine) -> None:
    opened = []

    def connect() -> Any:
        opened.append(engine.reader())
        return opened[-1]

    def away(_reader: Any) -> Any:
        raise EngineUnavailable("away")

    readers = Readers(connect, threads=1)
    with pytest.raises(EngineUnavailable):
        await readers.ask(away)
    assert await readers.ask(lambda reader: reader.query("SELECT 1")) == [(1,)]
    assert len(opened) == 2
    readers.close()


async def test_while_clickhouse_is_away_questions_are_503_with_retry_after(aiohttp_client: Any) -> None:
    from aiohttp import web

    from stitchline_collector.ask import Asking

    def away() -> Any:
        raise EngineUnavailable("ClickHouse does not answer")

    room = Asking(away, lambda *_: True, lambda _, value: value)
    app = web.Application()
    app.add_routes(room.routes())
    client = await aiohttp_client(app)
    for request in (
        client.get("/v1/people/user/42"),
        client.post("/v1/sql", data="SELECT 1"),
        client.get("/v1/tail"),
    ):
        answer = await request
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert (await answer.json())["error"] == "ClickHouse does not answer"
    room.close()
