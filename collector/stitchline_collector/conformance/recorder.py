"""The scripted collector: takes each request by the next step of a script, and keeps what it saw.

In: requests to `/s/SCENARIO/v1/events`. Out: answers good and bad, and `Seen`s. Without a step a request is accepted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from ..receive.body import inflate
from ..receive.events import key_of
from ..receive.refusals import Refusal

WRITE_KEY = "conformance"
_MOST_BYTES = 64 * 1024 * 1024
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "*, Authorization, Content-Type, Content-Encoding",
    "Access-Control-Expose-Headers": "Retry-After",
    "Access-Control-Max-Age": "600",
}


class _Envelope(msgspec.Struct):
    events: list[msgspec.Raw]


class Seen(msgspec.Struct):
    """One request as it came, and what became of it.

    Attributes:
        at: when it had come whole, monotonic seconds; `wall` the same as UTC seconds since 1970.
        lines: each event's bytes, `events` the same as values.
        stored: the collector has its events, whether the client knows or not.
        acknowledged: the client was told so.
        cut: the connection was broken off without an answer.
    """

    at: float
    wall: float
    key: str
    size: int
    body: bytes = b""
    fault: str = ""
    batch: dict[str, Any] = {}
    lines: list[bytes] = []
    events: list[dict[str, Any]] = []
    stored: bool = False
    acknowledged: bool = False
    cut: bool = False


Step = Callable[["Room", web.Request, Seen], Awaitable[web.StreamResponse]]


class Room:
    """What one scenario's endpoint saw, and its script."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.elsewhere = 0
        self.steps: deque[Step] = deque()
        self.usual: Step = accept
        self.over = False

    @property
    def stored(self) -> list[dict[str, Any]]:
        """The app's events that the collector has, each id once, in the order they came."""
        by_id = {str(event.get("event_id")): event for one in self.seen if one.stored for event in one.events}
        return [event for event in by_id.values() if event.get("name") != "stitchline_loss"]

    @property
    def names(self) -> list[str]:
        """Their names; the type where there is none."""
        return [str(event.get("name") or event.get("type")) for event in self.stored]

    @property
    def losses(self) -> dict[str, int]:
        """What was reported as lost, each report once."""
        total: dict[str, int] = {}
        reports = {
            str(event.get("event_id")): event
            for one in self.seen
            if one.stored
            for event in one.events
            if event.get("name") == "stitchline_loss"
        }
        for report in reports.values():
            for reason, number in (report.get("properties") or {}).items():
                total[reason] = total.get(reason, 0) + (number if isinstance(number, int) else 0)
        return total

    def requests_with(self, name: str) -> list[Seen]:
        """The requests that carried an event of this name."""
        return [one for one in self.seen if any(event.get("name") == name for event in one.events)]


class Recorder:
    """The HTTP side: rooms by the number of their scenario."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    def open(self, number: str) -> Room:
        """Begin a scenario's room."""
        room = self._rooms[number] = Room()
        return room

    def routes(self) -> list[web.RouteDef]:
        """The routes of the scripted collector; pages of any origin may use them."""
        return [
            web.post("/s/{number}/v1/events", self._events),
            web.options("/{any:.*}", _preflight),
            web.route("*", "/s/{number}/elsewhere", self._elsewhere),
        ]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        room = self._rooms.get(request.match_info["number"])
        if room is None or room.over:
            return answer(503, b"this scenario is over", {"Retry-After": "300"})
        try:
            body = await request.content.read()
        except (ConnectionError, web.RequestPayloadError):
            return answer(400, b"cut off")
        seen = _read(request, body)
        room.seen.append(seen)
        step = room.steps.popleft() if room.steps else room.usual
        return await step(room, request, seen)

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        room = self._rooms.get(request.match_info["number"])
        if room is not None:
            room.elsewhere += 1
        return answer(200, b'{"accepted": 1000, "rejected": []}')


async def _preflight(_request: web.Request) -> web.Response:
    return web.Response(status=204, headers=CORS)


def _read(request: web.Request, body: bytes) -> Seen:
    seen = Seen(time.monotonic(), time.time(), key_of(request), len(body))
    try:
        encoding = request.headers.get("Content-Encoding", "identity")
        seen.body = body if encoding == "identity" else inflate(body, encoding, _MOST_BYTES)
        batch = msgspec.json.decode(seen.body)
        seen.lines = [bytes(raw) for raw in msgspec.json.decode(seen.body, type=_Envelope).events]
        seen.events = [event if isinstance(event, dict) else {} for event in batch["events"]]
        seen.batch = batch
    except Refusal as refusal:
        seen.fault = refusal.error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        seen.fault = str(error)
    return seen


def answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    """An answer that pages may read."""
    return web.Response(
        status=status, body=body, headers=CORS | {"Content-Type": "application/json"} | (headers or {})
    )


async def accept(_room: Room, _request: web.Request, seen: Seen) -> web.StreamResponse:
    """Take everything."""
    if seen.fault:
        return answer(400, b'{"error": "unreadable"}')
    seen.stored = seen.acknowledged = True
    return answer(200, b'{"accepted":%d,"rejected":[]}' % len(seen.events))


def status(code: int, body: bytes = b"not now", headers: dict[str, str] | None = None) -> Step:
    """Take nothing, and answer so."""

    async def step(_room: Room, _request: web.Request, _seen: Seen) -> web.StreamResponse:
        return answer(code, b"" if code == 204 else body, headers)

    return step


async def redirect(_room: Room, request: web.Request, _seen: Seen) -> web.StreamResponse:
    """Send the client elsewhere."""
    number = request.match_info["number"]
    return answer(307, b"", {"Location": f"/s/{number}/elsewhere"})


def reject(name: str) -> Step:
    """Take all events but those of one name."""

    async def step(room: Room, request: web.Request, seen: Seen) -> web.StreamResponse:
        rejected = [
            {
                "index": index,
                "event_id": str(event.get("event_id")),
                "reason": "as scripted",
                "path": f"$.events[{index}]",
            }
            for index, event in enumerate(seen.events)
            if event.get("name") == name
        ]
        await accept(room, request, seen)
        accepted = len(seen.events) - len(rejected)
        return answer(200, msgspec.json.encode({"accepted": accepted, "rejected": rejected}))

    return step


def too_large(most_events: int, never: str) -> Step:
    """Find batches above a number of events too large, and one event always."""

    async def step(room: Room, request: web.Request, seen: Seen) -> web.StreamResponse:
        if len(seen.events) > most_events or any(event.get("name") == never for event in seen.events):
            return answer(413, b"too large")
        return await accept(room, request, seen)

    return step


async def reset(_room: Room, request: web.Request, seen: Seen) -> web.StreamResponse:
    """Be away: the connection breaks without an answer."""
    seen.cut = True
    if request.transport is not None:
        request.transport.abort()
    return answer(500, b"")


async def keep_silent(room: Room, request: web.Request, seen: Seen) -> web.StreamResponse:
    """Store the body, and never say so."""
    seen.stored = not seen.fault
    while not _left(room, request):  # noqa: ASYNC110 -- aiohttp has no event for a client that leaves
        await asyncio.sleep(0.02)
    return answer(500, b"")


async def half_answer(room: Room, request: web.Request, seen: Seen) -> web.StreamResponse:
    """Store the body, and break off in the middle of saying so."""
    await accept(room, request, seen)
    seen.acknowledged = False
    response = web.StreamResponse(headers=CORS | {"Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"accepted":')
    if request.transport is not None:
        request.transport.close()
    return response


async def drip(room: Room, request: web.Request, seen: Seen) -> web.StreamResponse:
    """Store the body, and answer one byte at a time, for ever."""
    seen.stored = not seen.fault
    response = web.StreamResponse(headers=CORS | {"Content-Length": "1000000"})
    await response.prepare(request)
    while not _left(room, request):
        try:
            await response.write(b" ")
        except ConnectionError:
            break
        await asyncio.sleep(0.05)
    if request.transport is not None:
        request.transport.abort()
    return response


def _left(room: Room, request: web.Request) -> bool:
    return room.over or request.transport is None or request.transport.is_closing()
