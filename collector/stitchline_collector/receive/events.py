"""`POST /v1/events` and `GET /v1/pixel.gif`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from .body import BodyLimits, read_body
from .cors import allow, preflight
from .keys import Grant, Keys
from .origin import Accepted, Ingest, NotDurable, Origin
from .pixel import GIF, GIF_HEADERS, pixel_batch
from .refusals import Refusal, over_rate, unavailable, unknown_key

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_encode = msgspec.json.Encoder().encode
_JSON = {"Content-Type": "application/json"}


class Receiver:
    """The HTTP side of ingest.

    Args:
        ingest: Reads a body and begins to store it.
        keys: Who may send.
        limits: How large and how slow a body may be.
        trusted_proxies: Proxies in front of the collector; that many entries at the end of X-Forwarded-For are believed.

    Attributes:
        keys: Who may send.
        replies: Requests by status.
    """

    def __init__(self, ingest: Ingest, keys: Keys, limits: BodyLimits, trusted_proxies: int = 0) -> None:
        self._ingest = ingest
        self.keys = keys
        self._limits = limits
        self._trusted_proxies = trusted_proxies
        self.replies: Counter[int] = Counter()

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [
            web.post("/v1/events", self.events),
            web.options("/v1/events", preflight),
            web.get("/v1/pixel.gif", self.pixel, allow_head=False),
        ]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Take a batch; answers when it is durable."""
        try:
            grant = self._grant(request)
            body = await read_body(request, self._limits)
            accepted = self._ingest(body, self.origin(request, grant))
            del body  # what waits for the disk must not hold the memory of thousands of requests
            await self.stored(accepted, grant)
        except Refusal as refusal:
            self.replies[refusal.status] += 1
            return allow(request, refusal.response())
        self.replies[200] += 1
        if accepted.rejected:
            answer = _encode({"accepted": accepted.accepted, "rejected": accepted.rejected})
        else:
            answer = b'{"accepted":%d,"rejected":[]}' % accepted.accepted
        return allow(request, web.Response(body=answer, headers=_JSON))

    async def pixel(self, request: web.Request) -> web.StreamResponse:
        """Take an event from an image's address; always answers with an image, so that no mail shows a broken one."""
        status = 200
        try:
            grant = self._grant(request)
            accepted = self._ingest(pixel_batch(request.query), self.origin(request, grant))
            await self.stored(accepted, grant)
        except Refusal as refusal:
            status = refusal.status
        self.replies[status] += 1
        return web.Response(status=status, body=GIF, headers=GIF_HEADERS)

    async def stored(self, accepted: Accepted, grant: Grant) -> None:
        """Wait until it is on disk.

        Raises:
            Refusal: it could not be put there.
        """
        grant.spend(accepted.accepted + len(accepted.rejected))
        try:
            for stored in accepted.stored:
                await stored
        except NotDurable as error:
            raise unavailable(str(error)) from None

    def _grant(self, request: web.Request) -> Grant:
        key = key_of(request)
        grant = self.keys.grant(key, "write")
        if grant is None:
            raise unknown_key(given=bool(key))
        wait_s = grant.wait_s()
        if wait_s:
            raise over_rate(wait_s)
        return grant

    def origin(self, request: web.Request, grant: Grant) -> Origin:
        """Where a request came from; nothing of a server's own address and agent."""
        if grant.is_server:
            return Origin(grant.source, by_server=True)
        return Origin(grant.source, self._ip(request), request.headers.get("User-Agent", ""))

    def _ip(self, request: web.Request) -> str:
        if self._trusted_proxies:
            hops = request.headers.get("X-Forwarded-For", "").split(",")
            if len(hops) >= self._trusted_proxies:
                return hops[-self._trusted_proxies].strip()
        return request.remote or ""


def key_of(request: web.Request) -> str:
    """The key a request carries, in its header or its query; empty without one."""
    header = request.headers.get("Authorization")
    if header is None:
        return request.query.get("key", "")
    scheme, _, key = header.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
