"""An operator's word on who is who: `link`, `unlink`, `relink`, each recorded as an event.

Enters: two identifiers and a reason. Leaves: one event in the spool, on disk before the reply; from there it is loaded,
stitched, exported and erased like all other evidence. Guaranteed: the identifiers are those that were asked for, also where
only the keyed hash of an e-mail or a phone number is known, because the event skips the steps that hash and that ask for consent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Literal

import msgspec
from aiohttp import web
from msgspec import Raw

from .ask.asked import Asked, Stored, asked
from .enrich import Arrival, lines
from .ingest import Ingest
from .receive import NotDurable, Refusal
from .receive.events import key_of
from .receive.refusals import unavailable, unknown_key
from .rows import Row, uuid7
from .stitch.identifiers import INSTALLATIONS, is_identifier
from .wire import Campaign, Device, Page

SOURCE = "operator"
MOST_LETTERS = 1000  # of a reason
_MOST_BYTES = 64 * 1024
_encode = msgspec.json.Encoder().encode

Verdict = Literal["link", "unlink", "relink"]


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request.

    Attributes:
        a: `namespace:value`.
        b: the other one.
        reason: why; kept with the event.
    """

    a: str
    b: str
    reason: str


class Recorded(msgspec.Struct, frozen=True):
    """What was recorded."""

    event_id: str
    occurred_at: dt.datetime
    verdict: Verdict
    a: str
    b: str
    reason: str


_word = msgspec.json.Decoder(Word)


class Corrections:
    """Takes an operator's word.

    Args:
        ingest: The event path.
        stored: An identifier's value as the tables hold it; empty if it can be none.
        may: Whether a key has a right.
        now: The clock.
    """

    def __init__(
        self,
        ingest: Ingest,
        stored: Stored,
        may: Callable[[str, str], bool],
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._ingest = ingest
        self._stored = stored
        self._may = may
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [web.post("/v1/identity/{verdict:link|unlink|relink}", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        """`POST /v1/identity/link`, `unlink` or `relink` with an admin key; answers when it is on disk."""
        try:
            key = key_of(request)
            if not self._may(key, "admin"):
                raise unknown_key(given=bool(key))
            if (request.content_length or 0) > _MOST_BYTES:
                raise _unreadable("it is too long")
            recorded = await self._record(request.match_info["verdict"], await request.read())
        except Refusal as refusal:
            return refusal.response()
        except NotDurable as error:
            return unavailable(str(error)).response()
        return web.Response(body=_encode(recorded), content_type="application/json")

    async def _record(self, verdict: str, body: bytes) -> Recorded:
        try:
            told = _word.decode(body)
        except msgspec.MsgspecError as error:
            raise _unreadable(str(error)) from None
        one, other = self._identifier(told.a), self._identifier(told.b)
        if one[:2] == other[:2]:
            raise Refusal(400, f"{told.a} and {told.b} are the same identifier", "name two different ones")
        reason = told.reason.strip()
        if not 0 < len(reason) <= MOST_LETTERS:
            raise Refusal(
                400, "no reason" if not reason else "the reason is too long", _REASON.format(MOST_LETTERS)
            )
        row = self._row(verdict, one, other, reason)
        arrival = Arrival(row.occurred_at, SOURCE, by_server=True)
        await self._ingest.store_row(lines(arrival, [row]).rstrip(b"\n"))
        return Recorded(str(row.event_id), row.occurred_at, verdict, told.a, told.b, reason)  # type: ignore[arg-type]

    def _identifier(self, text: str) -> Asked:
        namespace, _, value = text.partition(":")
        who = asked(namespace, value, self._stored) if namespace and value else None
        if who is None:
            raise Refusal(400, f"{text!r} is no identifier", "write namespace:value, as in user:42")
        if not is_identifier(who.value):
            raise Refusal(400, f"{text} names nobody", "programs write that value where they know nobody")
        if namespace == "person":
            raise Refusal(
                400,
                f"{text} is a person, and only identifiers can be linked",
                f"`stitchline journey {text}` shows the identifiers",
            )
        return who

    def _row(self, verdict: str, one: Asked, other: Asked, reason: str) -> Row:
        # The side that names a person says whose the event is, so that it is found with theirs.
        own, linked = (other, one) if one.namespace in INSTALLATIONS else (one, other)
        moment = self._now()
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        return Row(
            event_id=uuid7(),
            type="link" if verdict == "link" else "unlink",
            name=verdict,
            occurred_at=moment,
            device_time=moment,
            seq=0,
            identifiers={own.namespace: own.value},
            linked={linked.namespace: linked.value},
            channel="",
            stage="",
            session_id="",
            page=Page(),
            campaign=Campaign(),
            consent={},
            properties=Raw(_encode({"reason": reason})),
            tail=Device(),
        )


_REASON = "say why, in at most {:,} letters: who asks later will want to know"


def _unreadable(why: str) -> Refusal:
    return Refusal(
        400, f"unreadable body: {why}", 'send {"a": "user:42", "b": "device:web-1", "reason": "..."}'
    )
