"""Send rejected events through the event path again, after the cause is mended.

Guaranteed: an event is marked as replayed only after it is on disk; what is rejected again stays as it was. A crash in between
replays it twice, under the same event id, so it is one event to whoever asks.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from aiohttp import web

from .decode import Limits, TooManyEvents, Unreadable, decode
from .dialects import read_again
from .engine import EngineError, Reader, Session
from .ingest import Ingest
from .receive import NotDurable, Origin, Refusal
from .receive.events import key_of
from .receive.refusals import unavailable, unknown_key
from .warehouse import Warehouse
from .wire import Event

MOST_AT_ONCE = 10_000

_WAITING = """
SELECT failure_id, received_at, source, kind, event_id, reason, path, raw FROM failed_events
WHERE replayed_at IS NULL AND ({reason:String} = '' OR position(reason, {reason:String}) > 0)
ORDER BY received_at, failure_id LIMIT {limit:UInt32}
"""
_MARK = """
INSERT INTO failed_events_raw (failure_id, received_at, source, kind, event_id, reason, path, raw, replayed_at)
SELECT failure_id, received_at, source, kind, event_id, reason, path, raw, now64(3) FROM failed_events
WHERE failure_id IN {ids:Array(UUID)}
"""


class Replayed(msgspec.Struct, frozen=True):
    """What became of the failed events that were tried."""

    replayed: int
    still_failing: int


class _Failure(NamedTuple):
    failure_id: object
    received_at: dt.datetime
    source: str
    kind: str
    event_id: str
    reason: str
    path: str
    raw: str | bytes


class Replay:
    """Replays failed events.

    Args:
        ingest: The event path.
        limits: What a batch may hold.
        warehouse: Where they are found and marked.
        may: Whether a key has a right.
    """

    def __init__(
        self,
        ingest: Ingest,
        limits: Limits,
        warehouse: Warehouse,
        may: Callable[[str, str], bool],
    ) -> None:
        self._ingest = ingest
        self._limits = limits
        self._warehouse = warehouse
        self._may = may

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [web.post("/v1/failed/replay", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        """`POST /v1/failed/replay?reason=TEXT&limit=N` with an admin key."""
        try:
            key = key_of(request)
            if not self._may(key, "admin"):
                raise unknown_key(given=bool(key))
            replayed = await self._with_connections(request.query.get("reason", ""), _limit_of(request))
        except Refusal as refusal:
            return refusal.response()
        return web.Response(body=msgspec.json.encode(replayed), content_type="application/json")

    async def _with_connections(self, reason: str, limit: int) -> Replayed:
        try:
            reader = await asyncio.to_thread(self._warehouse.reader)
            session = await asyncio.to_thread(self._warehouse.session)
            try:
                return await self.replay(reader, session, reason, limit)
            finally:
                reader.close()
                session.close()
        except (EngineError, NotDurable) as error:
            raise unavailable(str(error)) from None

    async def replay(self, reader: Reader, session: Session, reason: str, limit: int) -> Replayed:
        """Try the oldest failed events that have not been replayed.

        Args:
            reader: To find them.
            session: To mark them.
            reason: Only those whose reason holds this text; all if empty.
            limit: At most so many.

        Raises:
            EngineError: ClickHouse cannot be asked or told.
            SpoolUnavailable: nothing can be stored now.
        """
        parameters = {"reason": reason, "limit": min(limit, MOST_AT_ONCE)}
        found = await asyncio.to_thread(reader.query, _WAITING, parameters)
        failures = [_Failure(*row) for row in found]
        stored = [(failure, self._store(failure)) for failure in failures]
        done = []
        for failure, futures in stored:
            for future in futures:
                await future
            if futures:
                done.append(str(failure.failure_id))
        if done:
            await asyncio.to_thread(session.command, _MARK, {"ids": done})
        return Replayed(len(done), len(failures) - len(done))

    def _store(self, failure: _Failure) -> list[asyncio.Future[None]]:
        """Begin to store a failed event; empty if it fails again."""
        raw = failure.raw if isinstance(failure.raw, bytes) else failure.raw.encode()
        if failure.kind == "row":
            return [self._ingest.store_row(raw)]
        try:
            decoded = read_again(failure.kind, raw, failure.source, self._limits) or decode(raw, self._limits)
        except (Unreadable, TooManyEvents):
            return []
        if decoded.rejected:
            return []
        for event in decoded.events:
            _settle_identity(event, failure)
        return list(self._ingest.store(decoded, Origin(failure.source), failure.received_at).stored)


def _limit_of(request: web.Request) -> int:
    text = request.query.get("limit", str(MOST_AT_ONCE))
    if not text.isdecimal():
        raise Refusal(400, f"limit is not a number: {text}", "send ?limit=100")
    return int(text)


def _settle_identity(event: Event, failure: _Failure) -> None:
    """An event that came without id or time gets the same ones however often it is replayed."""
    if event.event_id is None:
        event.event_id = uuid.UUID(str(failure.failure_id))
        event.occurred_at = event.occurred_at or failure.received_at
