"""`DELETE /v1/people/{namespace}/{value}`, `GET /v1/export/{namespace}/{value}` and `DELETE /v1/suppressions/{namespace}/{value}`.

Enters: requests with an admin key. Leaves: a receipt; everything about one person as JSON lines; how many may come back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from ..ask.asked import PERSON, Asked, Stored, asked
from ..engine import EngineError
from ..logs import Log
from ..receive.events import key_of
from ..receive.refusals import Refusal, elsewhere, unavailable, unknown_key
from ..stitch import Standby
from ..suppression.suppressions import Suppressions
from .erasing import Erasing, OnReplicas
from .subject import SharedByMany

Handler = Callable[[web.Request, Asked], Awaitable[web.Response]]
_IDENTIFIER = r"{namespace:[^/]+}/{value:[\s\S]+}"
_LOADED_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.1
log = Log(__name__)


class Forgotten(msgspec.Struct, frozen=True):
    """How many identifiers, devices and sessions are taken again."""

    forgotten: int


class ErasureRoutes:
    """Takes a person's wish.

    Args:
        erasing: Does the work.
        suppressions: Who is not to come back.
        stored: An identifier's value as the tables hold it; empty if it can be none.
        may: Whether a key has a right.
        behind: Rows that were acknowledged and are not in ClickHouse; rows that have left the spool so far.
    """

    def __init__(
        self,
        erasing: Erasing,
        suppressions: Suppressions,
        stored: Stored,
        may: Callable[[str, str], bool],
        behind: Callable[[], tuple[int, int]],
    ) -> None:
        self._erasing = erasing
        self._suppressions = suppressions
        self._stored = stored
        self._may = may
        self._behind = behind
        self._working = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [
            web.delete(f"/v1/people/{_IDENTIFIER}", self._guarded(self.erase)),
            web.get(f"/v1/export/{_IDENTIFIER}", self._guarded(self.export)),
            web.delete(f"/v1/suppressions/{_IDENTIFIER}", self._guarded(self.forget)),
        ]

    async def erase(self, _request: web.Request, who: Asked) -> web.Response:
        """Erase the person of an identifier; answers with the receipt. It goes on when the asker hangs up."""
        async with self._working:
            await self._loaded()
            done = await asyncio.shield(asyncio.wrap_future(self._erasing.erase(who)))
        return web.Response(body=msgspec.json.encode(done), content_type="application/json")

    async def export(self, _request: web.Request, who: Asked) -> web.Response:
        """Tell all there is of the person of an identifier, a JSON object on each line."""
        async with self._working:
            await self._loaded()
            lines = await asyncio.shield(asyncio.wrap_future(self._erasing.export(who)))
        body = "".join(line + "\n" for line in lines).encode()
        return web.Response(body=body, content_type="application/x-ndjson")

    async def forget(self, _request: web.Request, who: Asked) -> web.Response:
        """Take what an identifier sends again, and what all sends that was erased with it."""
        forgotten = await asyncio.to_thread(self._suppressions.forget, who.namespace, who.value)
        return web.Response(body=msgspec.json.encode(Forgotten(forgotten)), content_type="application/json")

    async def _loaded(self) -> None:
        """Wait until what is acknowledged by now can be found, but not for ever: what comes later is left out as it is loaded."""
        waiting, gone = self._behind()
        deadline = time.monotonic() + _LOADED_WITHIN_S
        while self._behind()[1] < gone + waiting and time.monotonic() < deadline:  # noqa: ASYNC110 -- counts tell no events
            await asyncio.sleep(_LOOK_EVERY_S)

    def _guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            try:
                key = key_of(request)
                if not self._may(key, "admin"):
                    raise unknown_key(given=bool(key))
                return await handler(request, self._asked(request))
            except Refusal as refusal:
                return refusal.response()
            except SharedByMany:
                return _shared(request).response()
            except OnReplicas:
                return _on_replicas().response()
            except Standby as standby:
                return elsewhere(standby).response()
            except (EngineError, OSError, msgspec.DecodeError) as error:
                log.warning(
                    "nothing could be erased or read now: %(error)s", event="erasure_waits", error=error
                )
                return unavailable(str(error).partition("\n")[0]).response()

        return guarded

    def _asked(self, request: web.Request) -> Asked:
        namespace, value = request.match_info["namespace"], request.match_info["value"]
        who = asked(namespace, value, self._stored)
        if who is None or (namespace == PERSON and not value.isdecimal()):
            raise Refusal(
                400, f"{value!r} cannot be an identifier of {namespace!r}", "write it as the app sends it"
            )
        return who


def _on_replicas() -> Refusal:
    return Refusal(
        501,
        "nothing was erased: of a cluster with replicas nobody can be erased yet",
        "asking again changes nothing; see the end of docs/privacy.md",
    )


def _shared(request: web.Request) -> Refusal:
    namespace, value = request.match_info["namespace"], request.match_info["value"]
    return Refusal(
        409,
        f"{namespace}:{value} is shared by many and belongs to nobody",
        "name one of the people who used it, as in user:42: what they did on it goes too",
    )
