"""New events as a stream of server-sent events, for eyes.

Enters: a request with the cursor it heard last. Leaves: a message for each event, its cursor as the message's id, until the asker or
the collector ends. Guaranteed: the promise of `tail`, each event once in a stream; at most `MOST_STREAMS` at once; an asker who is
gone is noticed at the next look, and a silent stream still speaks every `BEAT_S`.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from typing import Any

from aiohttp import web

from ..engine import EngineError
from ..receive.refusals import Refusal
from .readers import Readers
from .tail import arrived

MOST_STREAMS = 32  # each looks once a second
MOST_AT_ONCE = 500  # events of one look; the newest are told
BEAT_S = 10.0
_EVERY_S = 1.0
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would wait for more


class Streams:
    """The streams that are open.

    Args:
        readers: the pool that the looks run in.
    """

    def __init__(self, readers: Readers[Any]) -> None:
        self._readers = readers
        self._open = 0
        self._ending = asyncio.Event()

    async def end(self, _app: web.Application) -> None:
        """End them all in good order; none begins any more."""
        self._ending.set()

    async def tell(self, request: web.Request, cursor: str, name: str, events: int) -> web.StreamResponse:
        """Answer with a stream.

        Args:
            request: to answer.
            cursor: heard last; empty for the latest events of the last hour.
            name: only events of this name; empty for all.
            events: at most so many at first.

        Raises:
            Refusal: too many are open, or the collector stops.
            ValueError: the cursor is not one of ours.
            EngineError: ClickHouse is away; later, while the stream is open, it waits for it.
        """
        if self._open >= MOST_STREAMS or self._ending.is_set():
            raise Refusal(503, f"{MOST_STREAMS} streams are open", "close one, or ask again in a moment", 5)
        self._open += 1
        try:
            look = await self._look(cursor, name, events)
            response = web.StreamResponse(headers=_HEADERS)
            response.content_type, response.charset = "text/event-stream", "utf-8"
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):  # the asker is gone
                await self._write(request, response, look, name)
            return response
        finally:
            self._open -= 1

    async def _write(
        self, request: web.Request, response: web.StreamResponse, look: dict[str, Any], name: str
    ) -> None:
        loop = asyncio.get_running_loop()
        await response.write(f"retry: 1000\nid: {look['cursor']}\n\n".encode() + _messages(look["events"]))
        spoken_at = loop.time()
        while not await self._ends() and request.transport and not request.transport.is_closing():
            last = {event["event_id"] for event in look["events"]}
            # While ClickHouse is away there is no news.
            with contextlib.suppress(EngineError):
                look = await self._look(look["cursor"], name, MOST_AT_ONCE)
            # Each look goes back a little behind the last one, so what is not new was in that one.
            news = [event for event in look["events"] if event["event_id"] not in last]
            if news or loop.time() - spoken_at > BEAT_S:
                await response.write(_messages(news) or b":\n\n")
                spoken_at = loop.time()

    async def _ends(self) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), _EVERY_S)
        return self._ending.is_set()

    async def _look(self, cursor: str, name: str, events: int) -> dict[str, Any]:
        now = dt.datetime.now(dt.UTC)
        return await self._readers.ask(lambda reader: arrived(reader, cursor, name, events, now))


def _messages(events: list[dict[str, Any]]) -> bytes:
    """Write a message for each event; where a look was full of news, first one that says that older ones may be missing."""
    missed = (
        f"event: missed\ndata: {json.dumps({'most': MOST_AT_ONCE})}\n\n"
        if len(events) == MOST_AT_ONCE
        else ""
    )
    told = (
        f"id: {event['received_at']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events
    )
    return (missed + "".join(told)).encode()
