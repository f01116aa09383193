"""The routes of this room: SQL, the analysts' questions, people and their journeys, why two are one, and new events.

Enters: requests with a read key. Leaves: answers, or `{"error": ..., "hint": ...}` with a status that says whose fault it is.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..engine import TIMEOUT_EXCEEDED, EngineError, QueryError, Reader
from ..receive.events import key_of
from ..receive.refusals import Refusal
from . import views
from .asked import Asked, Stored, asked
from .changes import changes
from .graph import graph
from .nobodys import Nobodys
from .people import person
from .readers import Readers
from .sql import content_type, parameters_of
from .stream import MOST_AT_ONCE, Streams
from .tail import arrived
from .why import Unseen, why

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
May = Callable[[str, str], bool]

_MAX_EVENTS = 10_000
_RETRY_AFTER_S = "2"
_IDENTIFIER = r"{namespace:[^/]+}/{value:[\s\S]+}"  # of any characters: aiohttp's own patterns leave out braces and line ends


class Asking:
    """Answers questions.

    Args:
        connect: opens a reader on the thread that will use it; raises EngineUnavailable while ClickHouse is away.
        may: whether a key has a right; ours is `read`.
        stored: an identifier's value as the tables hold it, from what a human types; empty if it can be none.
        threads: questions that run at the same time.

    Attributes:
        readers: the pool they run in.
    """

    def __init__(self, connect: Callable[[], Reader], may: May, stored: Stored, threads: int = 4) -> None:
        self.readers = Readers(connect, threads)
        self._streams = Streams(self.readers)
        self._may = may
        self._stored = stored

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [
            web.post("/v1/sql", self.guarded(self.sql)),
            web.get("/v1/queries", self.guarded(self.queries)),
            web.get("/v1/queries/{name:[^/]+}", self.guarded(self.query)),
            web.get(f"/v1/people/{_IDENTIFIER}", self.guarded(self.people)),
            web.get(f"/v1/journey/{_IDENTIFIER}", self.guarded(self.journey)),
            web.get("/v1/identity/why", self.guarded(self.why)),
            web.get(f"/v1/identity/evidence/{_IDENTIFIER}", self.guarded(self.evidence)),
            web.get("/v1/tail", self.guarded(self.tail)),
            web.get("/v1/tail/stream", self.guarded(self.stream)),
        ]

    async def hang_up(self, app: web.Application) -> None:
        """End the streams; what asks for an end waits for nothing else."""
        await self._streams.end(app)

    def close(self) -> None:
        """Let running questions end and close the connections."""
        self.readers.close()

    async def sql(self, request: web.Request) -> web.Response:
        """Run the body, one SELECT, and answer in the format asked for, JSON without one."""
        statement = (await request.read()).decode(errors="replace").strip()
        if not statement:
            raise Refusal(400, "no statement", "send one SELECT as the body of the request")
        fmt = request.query.get("format", "JSON")
        parameters = parameters_of(request.query)
        try:
            body = await self.readers.ask(lambda reader: reader.raw(statement, fmt, parameters))
        except QueryError as error:
            raise Refusal(400, _first_line(error), _sql_hint(error)) from error
        return web.Response(body=body, headers={"Content-Type": content_type(fmt)})

    async def queries(self, _request: web.Request) -> web.Response:
        """List the analysts' views with their parameters."""
        return _json({"queries": views.listing()})

    async def query(self, request: web.Request) -> web.Response:
        """Run an analysts' view with the parameters of the query string, now or as of `?as_of=`; answer in `?format=`, JSON without one."""
        given = {
            name: value for name, value in request.query.items() if name not in ("format", "key", "as_of")
        }
        fmt = request.query.get("format", "JSON")
        try:
            statement, values = views.asked(request.match_info["name"], given, request.query.get("as_of", ""))
            body = await self.readers.ask(lambda reader: reader.raw(statement, fmt, values))
        except views.Unknown as unknown:
            raise Refusal(404, str(unknown), "`stitchline query` or GET /v1/queries lists them") from None
        except QueryError as error:
            hint = (
                _sql_hint(error)
                if error.code == TIMEOUT_EXCEEDED
                else "GET /v1/queries lists the parameters and their types"
            )
            raise Refusal(400, _first_line(error), hint) from error
        return web.Response(body=body, headers={"Content-Type": content_type(fmt)})

    async def people(self, request: web.Request) -> web.Response:
        """Tell one person, with the latest `?events=` events."""
        return _json(await self._person(request, _number(request, "events", 20)))

    async def journey(self, request: web.Request) -> web.Response:
        """Tell one person and their latest `?events=` events in the order in which they happened.

        With `?as_of=`, as we thought at that moment; with `?diff=1` too, what changed since instead.
        """
        events, at = _number(request, "events", 1000), _moment(request)
        if request.query.get("diff", "0") != "0":
            if at is None:
                raise Refusal(
                    400, "diff needs a moment to compare with now", "for example ?as_of=2026-11-01&diff=1"
                )
            who = self._asked(request.match_info["namespace"], request.match_info["value"])
            return _json(await self.readers.ask(lambda reader: changes(reader, who, at, events)))
        found = await self._person(request, events)
        return _json({"events": found.pop("latest")[::-1], "person": found})

    async def why(self, request: web.Request) -> web.Response:
        """Tell why `?a=namespace:value` and `?b=namespace:value` are one person, or what stands between them."""
        one, other = (self._asked(*_identifier(request, name)) for name in ("a", "b"))
        found = await self.readers.ask(lambda reader: why(reader, one, other))
        if isinstance(found, Unseen):
            raise _unseen(found.who)
        return _json(found)

    async def evidence(self, request: web.Request) -> web.Response:
        """Tell the evidence for one person, as nodes and edges, refused ones too."""
        who = self._asked(request.match_info["namespace"], request.match_info["value"])
        return _json(_known(await self.readers.ask(lambda reader: graph(reader, who)), who))

    async def tail(self, request: web.Request) -> web.Response:
        """Tell the events that arrived since `?cursor=`, of one `?name=` if given, at most `?events=`."""
        cursor, name = request.query.get("cursor", ""), request.query.get("name", "")
        events = _number(request, "events", 100 if cursor else 10)
        now = dt.datetime.now(dt.UTC)
        try:
            return _json(await self.readers.ask(lambda reader: arrived(reader, cursor, name, events, now)))
        except ValueError:
            raise _no_cursor(cursor) from None

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Tell events as they arrive, as server-sent events, beginning after `Last-Event-ID` or with the latest `?events=`."""
        cursor = request.headers.get("Last-Event-ID", "")
        events = _number(request, "events", MOST_AT_ONCE if cursor else 10)
        try:
            return await self._streams.tell(request, cursor, request.query.get("name", ""), events)
        except ValueError:
            raise _no_cursor(cursor) from None

    async def _person(self, request: web.Request, events: int) -> dict[str, Any]:
        who, at = self._asked(request.match_info["namespace"], request.match_info["value"]), _moment(request)
        return _known(await self.readers.ask(lambda reader: person(reader, who, events, at)), who, at)

    def _asked(self, namespace: str, value: str) -> Asked:
        who = asked(namespace, value, self._stored)
        if who is None:
            hint = _SPELLING.get(namespace, _SPELLING[""])
            raise Refusal(400, f"{value!r} cannot be an identifier of {namespace!r}", hint)
        return who

    def guarded(self, handler: Handler) -> Handler:
        """A handler that only who may read gets to, and whose refusals and missing answers are told as here."""

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


def _known(
    found: dict[str, Any] | Nobodys | None, who: Asked, at: dt.datetime | None = None
) -> dict[str, Any]:
    if found is None:
        raise _unseen(who, at)
    if isinstance(found, Nobodys):
        raise Refusal(404, found.error, found.hint)
    return found


def _unseen(who: Asked, at: dt.datetime | None = None) -> Refusal:
    if at is not None:
        return Refusal(
            404, f"nobody had been seen with {who.typed} by {at:%Y-%m-%d %H:%M} UTC", "name a later moment"
        )
    return Refusal(
        404,
        f"nobody was seen with {who.typed}",
        "check the namespace (user, email, phone, device, anonymous or your own) and the spelling;"
        " a new event takes a second or two to be found",
    )


def _identifier(request: web.Request, name: str) -> tuple[str, str]:
    text = request.query.get(name, "")
    namespace, colon, value = text.partition(":")
    if not (namespace and colon and value):
        raise Refusal(
            400, f"{name}={text!r} is no identifier", f"write namespace:value, for example ?{name}=user:42"
        )
    return namespace, value


def _moment(request: web.Request) -> dt.datetime | None:
    """Read `?as_of=`, in ISO 8601; without a zone it is UTC."""
    text = request.query.get("as_of", "")
    if not text:
        return None
    try:
        at = dt.datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Refusal(
            400, f"as_of={text!r} is no moment", "write it as in 2026-11-01 or 2026-11-01T12:00:00Z"
        ) from None


def _no_cursor(text: str) -> Refusal:
    return Refusal(400, f"{text!r} is no cursor", "send back the one that was told last, or none")


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
    if error.code == TIMEOUT_EXCEEDED:
        return "a filter on occurred_at or on device.id makes a query faster; sql_timeout_s sets the limit"
    return "one SELECT on the tables and views of this database; SHOW TABLES lists them, DESCRIBE person_events its columns"
