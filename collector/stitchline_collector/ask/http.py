"""The routes of this room: `/v1/sql`, `/v1/people/{namespace}/{value}`, `/v1/journey/...` and `/v1/tail`.

Enters: requests with a read key. Leaves: answers, or `{"error": ..., "hint": ...}` with a status that says whose fault it is.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..engine import EngineError, QueryError, Reader
from ..receive.events import key_of
from ..receive.refusals import Refusal
from .people import person
from .readers import Readers
from .sql import content_type, parameters_of
from .tail import arrived

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
May = Callable[[str, str], bool]
Stored = Callable[[str, str], str]

_MAX_EVENTS = 10_000
_RETRY_AFTER_S = "2"
_TIMEOUT = 159


class Asking:
    """Answers questions.

    Args:
        connect: opens a reader on the thread that will use it; raises EngineUnavailable while ClickHouse is away.
        may: whether a key has a right; ours is `read`.
        stored: an identifier's value as the tables hold it, from what a human types; empty if it can be none.
        threads: questions that run at the same time.
    """

    def __init__(self, connect: Callable[[], Reader], may: May, stored: Stored, threads: int = 4) -> None:
        self._readers = Readers(connect, threads)
        self._may = may
        self._stored = stored

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [
            web.post("/v1/sql", self._guarded(self.sql)),
            web.get("/v1/people/{namespace}/{value:.+}", self._guarded(self.people)),
            web.get("/v1/journey/{namespace}/{value:.+}", self._guarded(self.journey)),
            web.get("/v1/tail", self._guarded(self.tail)),
        ]

    def close(self) -> None:
        """Let running questions end and close the connections."""
        self._readers.close()

    async def sql(self, request: web.Request) -> web.Response:
        """Run the body, one SELECT, and answer in the format asked for, JSON without one."""
        statement = (await request.read()).decode(errors="replace").strip()
        if not statement:
            raise Refusal(400, "no statement", "send one SELECT as the body of the request")
        fmt = request.query.get("format", "JSON")
        parameters = parameters_of(request.query)
        try:
            body = await self._readers.ask(lambda reader: reader.raw(statement, fmt, parameters))
        except QueryError as error:
            raise Refusal(400, _first_line(error), _sql_hint(error)) from error
        return web.Response(body=body, headers={"Content-Type": content_type(fmt)})

    async def people(self, request: web.Request) -> web.Response:
        """Tell one person, with the latest `?events=` events."""
        return _json(await self._person(request, _number(request, "events", 20)))

    async def journey(self, request: web.Request) -> web.Response:
        """Tell one person and their latest `?events=` events in the order in which they happened."""
        found = await self._person(request, _number(request, "events", 1000))
        return _json({"events": found.pop("latest")[::-1], "person": found})

    async def tail(self, request: web.Request) -> web.Response:
        """Tell the events that arrived since `?cursor=`, of one `?name=` if given, at most `?events=`."""
        cursor, name = request.query.get("cursor", ""), request.query.get("name", "")
        events = _number(request, "events", 100 if cursor else 10)
        now = dt.datetime.now(dt.UTC)
        try:
            answer = await self._readers.ask(lambda reader: arrived(reader, cursor, name, events, now))
        except ValueError:
            raise Refusal(
                400, f"{cursor!r} is no cursor", "send back the cursor of the last answer, or none"
            ) from None
        return _json(answer)

    async def _person(self, request: web.Request, events: int) -> dict[str, Any]:
        namespace, value = request.match_info["namespace"], request.match_info["value"]
        stored = self._stored(namespace, value)
        if not stored:
            raise Refusal(
                400,
                f"{value!r} cannot be an identifier of {namespace!r}",
                _SPELLING.get(namespace, _SPELLING[""]),
            )
        found = await self._readers.ask(lambda reader: person(reader, namespace, stored, events))
        if found is None:
            raise Refusal(
                404,
                f"nobody was seen with {namespace}:{value}",
                "check the namespace (user, email, phone, device, anonymous or your own) and the spelling;"
                " a new event takes a second or two to be found",
            )
        return found

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._check(request)
                return await handler(request)
            except Refusal as refusal:
                return refusal.response()
            except EngineError as error:
                return _unanswered(error)

        return guarded

    def _check(self, request: web.Request) -> None:
        key = key_of(request)
        if not self._may(key, "read"):
            raise Refusal(
                401,
                "this key may not read" if key else "no key",
                "send `Authorization: Bearer KEY` with a key of kind `read` or `admin` from the collector's configuration",
            )


_SPELLING = {
    "email": "write it as in ada@example.com, or its SHA-256 in hexadecimal",
    "phone": "write it with its country code, as in +49 30 123456, or its SHA-256 in hexadecimal",
    "": "it is empty",
}


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text) <= _MAX_EVENTS):
        raise Refusal(
            400, f"{name}={text!r} is not a number up to {_MAX_EVENTS:,}", f"for example ?{name}={default}"
        )
    return int(text)


def _json(answer: object) -> web.Response:
    return web.Response(
        body=json.dumps(answer, ensure_ascii=False, default=str).encode(), content_type="application/json"
    )


def _unanswered(error: EngineError) -> web.Response:
    """503: ClickHouse is away, or too slow for one of our own questions."""
    response = Refusal(503, _first_line(error), "nothing is lost: ask again in a moment").response()
    response.headers["Retry-After"] = _RETRY_AFTER_S
    return response


def _first_line(error: EngineError) -> str:
    return error.message.partition("\n")[0]


def _sql_hint(error: QueryError) -> str:
    if error.code == _TIMEOUT:
        return "a filter on occurred_at or on device.id makes a query faster; sql_timeout_s sets the limit"
    return "one SELECT on the tables and views of this database; SHOW TABLES lists them, DESCRIBE person_events its columns"
