"""`POST /v1/identity/rebuild`: let the collector's stitcher decide everybody anew."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from aiohttp import web

from .receive.events import key_of
from .receive.refusals import elsewhere, unknown_key
from .stitch import Standby


class RebuildRequest:
    """Passes an operator's wish on to the stitcher.

    Args:
        ask: tells the stitcher, which rebuilds before its next round; raises `Standby` where another collector stitches.
        may: whether a key has a right.
    """

    def __init__(self, ask: Callable[[], None], may: Callable[[str, str], bool]) -> None:
        self._ask = ask
        self._may = may

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [web.post("/v1/identity/rebuild", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        """With an admin key; answers 202 at once, the log and the metrics say when it is done."""
        key = key_of(request)
        if not self._may(key, "admin"):
            return unknown_key(given=bool(key)).response()
        try:
            self._ask()
        except Standby as standby:
            return elsewhere(standby).response()
        return web.Response(
            status=202, body=msgspec.json.encode({"accepted": True}), content_type="application/json"
        )
