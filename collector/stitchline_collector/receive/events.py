"""`POST /v1/events` and `GET /v1/pixel.gif`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import NamedTuple

import msgspec
from aiohttp import web

from .body import BodyLimits, read_body
from .cors import allow, page_origin, preflight, refuse_page
from .keys import Grant, Keys
from .origin import Accepted, Ingest, NotDurable, Origin
from .pixel import GIF, GIF_HEADERS, pixel_batch
from .pressure import Pressure
from .proxies import Proxies
from .rates import AddressRates
from .refusals import Refusal, foreign_page, over_rate, unavailable, unknown_key

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_encode = msgspec.json.Encoder().encode
_JSON = {"Content-Type": "application/json"}


class Admitted(NamedTuple):
    """A request that may send.

    Attributes:
        grant: What its key allows.
        origin: Where it came from.
    """

    grant: Grant
    origin: Origin


class Receiver:
    """The HTTP side of ingest.

    Args:
        ingest: Reads a body and begins to store it.
        keys: Who may send.
        limits: How large and how slow a body may be.
        proxies: Whose word on a sender's address is believed; None is nobody's.
        addresses: How much may come from one address; None is any amount.
        replies: Where requests are counted; None is here.
        pressure: Refuses what would wait too long; None refuses nothing.

    Attributes:
        keys: Who may send.
        replies: Requests by status.
    """

    def __init__(
        self,
        ingest: Ingest,
        keys: Keys,
        limits: BodyLimits,
        proxies: Proxies | None = None,
        addresses: AddressRates | None = None,
        replies: MutableMapping[int, int] | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self._ingest = ingest
        self.keys = keys
        self._limits = limits
        self._proxies = proxies or Proxies()
        self._addresses = addresses or AddressRates()
        self.replies: MutableMapping[int, int] = Counter() if replies is None else replies
        self._pressure = pressure or Pressure()

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [
            web.post("/v1/events", self.events),
            web.options("/v1/events", self.preflight),
            web.get("/v1/pixel.gif", self.pixel, allow_head=False),
        ]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Take a batch; answers when it is durable."""
        try:
            admitted = self.admit(request, (key_of(request),))
            body = await read_body(request, self._limits)
            accepted = self._ingest(body, admitted.origin)
            del body  # what waits for the disk must not hold the memory of thousands of requests
            await self.stored(accepted, admitted)
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
            admitted = self.admit(request, (key_of(request),))
            accepted = self._ingest(pixel_batch(request.query), admitted.origin)
            await self.stored(accepted, admitted)
        except Refusal as refusal:
            status = refusal.status
        self.replies[status] += 1
        return web.Response(status=status, body=GIF, headers=GIF_HEADERS)

    async def preflight(self, request: web.Request) -> web.Response:
        """Tell a browser what it may send; nothing, when there is no key that the page could use."""
        if not self.keys.take_from(request.headers.get("Origin", "").lower()):
            return refuse_page()
        return preflight()

    async def stored(self, accepted: Accepted, admitted: Admitted) -> None:
        """Wait until it is on disk.

        Args:
            accepted: What is being stored.
            admitted: With what it came: its key's rate pays for it, and its address's, unless it is a server's.

        Raises:
            Refusal: it could not be put there.
        """
        grant, origin = admitted
        events = accepted.accepted + len(accepted.rejected)
        grant.spend(events)
        self._pressure.spend(grant.source, events)
        if not grant.is_server:
            self._addresses.spend(origin.ip, events)
        try:
            for stored in accepted.stored:
                await stored
        except NotDurable as error:
            raise unavailable(str(error)) from None

    def admit(self, request: web.Request, keys: Sequence[str]) -> Admitted:
        """What the first of the keys that may send allows, and where the request came from.

        Raises:
            Refusal: none of them may, the page may not use it, there was too much of the key or from the address, or too much
                in all.
        """
        grant = next((found for key in keys if (found := self.keys.grant(key, "write"))), None)
        address = ""
        if grant is None or not grant.is_server:
            address = self._proxies.address(request)
            wait_s = self._addresses.wait_s(address)
            if wait_s:
                raise over_rate(wait_s, "this address's")
            if grant is None:
                self._addresses.spend(address, 1)
                raise unknown_key(given=any(keys))
        if grant.is_for_pages and not grant.takes_from(page_origin(request)):
            raise foreign_page()
        wait_s = grant.wait_s()
        if wait_s:
            raise over_rate(wait_s, "this key's")
        self._pressure.check(grant.source)
        return Admitted(grant, _origin(request, grant, address))


def _origin(request: web.Request, grant: Grant, address: str) -> Origin:
    """Where a request came from; nothing of a server's own address and agent."""
    if grant.is_server:
        return Origin(grant.source, by_server=True)
    headers = request.headers
    # https://www.w3.org/TR/gpc/: the value is 1, and any other says nothing.
    return Origin(grant.source, address, headers.get("User-Agent", ""), objects=headers.get("Sec-GPC") == "1")


def key_of(request: web.Request) -> str:
    """The key a request carries, in its header or its query; empty without one."""
    header = request.headers.get("Authorization")
    if header is None:
        return request.query.get("key", "")
    scheme, _, key = header.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
