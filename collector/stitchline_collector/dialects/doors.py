"""The HTTP part: addresses, keys and CORS of other products' clients.

Enters: requests. Leaves: answers by `replies`. Guaranteed: the answer that means accepted leaves only when everything is on disk,
accepted or rejected; the native path is not touched, since all addresses here are other ones.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from aiohttp import web

from ..decode import Decoded, Limits, Rejected, Rejection, TooManyEvents, Unreadable
from ..ingest import Ingest
from ..receive import Refusal
from ..receive.body import BodyLimits, read_body
from ..receive.cors import refuse_page
from ..receive.events import Admitted, Receiver, key_of
from ..receive.refusals import too_many, unreadable
from ..wire import Defaults
from . import posthog, replies, segment, snowplow
from .opened import Opened, encode
from .replies import Replies

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_KEPT_BYTES = 64 * 1024  # of a body that is too large
_AID = re.compile(rb'"aid"\s*:\s*"([^"\\]{1,256})"')
_CORS_AGE_S = "600"


class Doors:
    """The addresses of other clients.

    Args:
        receiver: Knows keys and origins, and counts replies.
        ingest: The event path.
        limits: What an event may hold.
        body_limits: How large and how slow a body may be.
    """

    def __init__(self, receiver: Receiver, ingest: Ingest, limits: Limits, body_limits: BodyLimits) -> None:
        self._receiver = receiver
        self._ingest = ingest
        self._limits = limits
        self._body_limits = body_limits

    def routes(self) -> list[web.RouteDef]:
        """All addresses, each with its preflight; the general ones of Snowplow come last."""
        taken: list[tuple[str, str, Handler]] = [
            *self._segment_routes(),
            *self._posthog_routes(),
            ("POST", snowplow.PATH, self.take_snowplow),
            ("GET", "/i", self.take_snowplow_pixel),  # HEAD too
            # A vendor is a domain turned round, so a dot tells it from every other address.
            ("POST", "/{vendor:[^/]+\\.[^/]+}/{version}", self.take_snowplow),
        ]
        paths = dict.fromkeys(path for _, path, _ in taken)
        return [
            *(web.route(method, path, _with_cors(handler)) for method, path, handler in taken),
            *(web.options(path, self._preflight) for path in paths),
        ]

    async def _preflight(self, request: web.Request) -> web.Response:
        if not self._receiver.keys.take_from(request.headers.get("Origin", "").lower()):
            return refuse_page()
        return preflight(request)

    def _segment_routes(self) -> list[tuple[str, str, Handler]]:
        batches = ("/v1/batch", "/v1/import", "/v1/b", "/b", "/beacon/v1/batch")
        calls = [f"/v1/{name}" for name in segment.CALLS] + [
            f"/{name}" for name in segment.CALLS if len(name) == 1
        ]
        found: list[tuple[str, str, Handler]] = [("POST", path, self.take_segment_batch) for path in batches]
        found += [("POST", path, self.take_segment_call) for path in calls]
        found += [("GET", f"/pixel/v1/{name}", self.take_segment_pixel) for name in ("track", "page")]
        found.append(("GET", "/v1/projects/{key}/settings", _segment_settings))
        found += [("GET", path, _rudder_source) for path in ("/sourceConfig", "/sourceConfig/")]
        return found

    def _posthog_routes(self) -> list[tuple[str, str, Handler]]:
        found: list[tuple[str, str, Handler]] = []
        for name in "batch capture e i/v0/e track engage".split():
            for path in (f"/{name}", f"/{name}/"):
                found += [("POST", path, self.take_posthog), ("GET", path, self.take_posthog)]
        found += [
            ("POST", path, self.take_posthog_results)
            for path in ("/i/v1/analytics/events", "/i/v1/analytics/events/")
        ]
        for path in ("/flags", "/flags/", "/decide", "/decide/"):
            found += [("POST", path, _posthog_flags), ("GET", path, _posthog_flags)]
        found += [
            ("GET", "/array/{key}/config", _posthog_config),
            ("GET", "/array/{key}/config.js", _posthog_script),
        ]
        return found

    async def take_segment_batch(self, request: web.Request) -> web.StreamResponse:
        """A batch of Segment's or RudderStack's clients."""
        return await self._take(request, replies.SEGMENT, segment.NAME, segment.open_body)

    async def take_segment_call(self, request: web.Request) -> web.StreamResponse:
        """One call of theirs; the address says which."""
        call = segment.CALLS[request.path.rpartition("/")[2]]
        return await self._take(
            request, replies.SEGMENT, segment.NAME, lambda body: segment.open_body(body, call)
        )

    async def take_segment_pixel(self, request: web.Request) -> web.StreamResponse:
        """RudderStack's call from an image's address."""
        call = segment.CALLS[request.path.rpartition("/")[2]]
        message = encode({name: value for name, value in request.query.items() if name != "writeKey"})
        return await self._take(
            request, replies.SEGMENT_PIXEL, segment.NAME, lambda _: segment.open_body(message, call)
        )

    async def take_snowplow(self, request: web.Request) -> web.StreamResponse:
        """A POST of a Snowplow tracker."""
        return await self._take(request, replies.SNOWPLOW, snowplow.NAME, snowplow.open_body)

    async def take_snowplow_pixel(self, request: web.Request) -> web.StreamResponse:
        """A GET of a Snowplow tracker: one event; answered with an image."""
        return await self._take(
            request,
            replies.SNOWPLOW_PIXEL,
            snowplow.NAME,
            lambda _: snowplow.open_query(dict(parse_qsl(request.rel_url.raw_query_string))),
        )

    async def take_posthog(self, request: web.Request) -> web.StreamResponse:
        """Events of a PostHog client."""
        return await self._take(
            request, replies.POSTHOG, posthog.NAME, lambda body: self._open_posthog(request, body)
        )

    async def take_posthog_results(self, request: web.Request) -> web.StreamResponse:
        """The same on the newer address, which is told about each event."""
        uuids: list[str] = []
        rejected: dict[int, str] = {}

        def opened(body: bytes) -> Opened:
            found = self._open_posthog(request, body)
            uuids.extend(found.uuids)
            return found

        answers = Replies(lambda: replies.posthog_results(uuids, rejected))
        return await self._take(request, answers, posthog.NAME, opened, rejected)

    def _open_posthog(self, request: web.Request, body: bytes) -> posthog.OpenedPostHog:
        return posthog.open_body(
            body, request.query, request.content_type, self._body_limits.max_inflated_bytes
        )

    async def _take(
        self,
        request: web.Request,
        answers: Replies,
        dialect: str,
        open_body: Callable[[bytes], Opened],
        rejected: dict[int, str] | None = None,
    ) -> web.StreamResponse:
        """Take a body; answers when it is durable.

        Args:
            request: With the body.
            answers: What this client understands.
            dialect: Under whose name rejected events are kept.
            open_body: Reads the body.
            rejected: Filled with the reason for each rejected event, by its place in the body.
        """
        try:
            self._ingest.check()
            try:
                opened = open_body(await read_body(request, self._body_limits))
            except Unreadable as error:
                raise unreadable(str(error)) from None
            admitted = self._admit(request, opened.key, answers)
            try:
                decoded = opened.decoded(admitted.grant.source, self._limits)
            except TooManyEvents as error:
                raise too_many(str(error)) from None
            if rejected is not None:
                rejected |= {one.rejection.index: one.rejection.reason for one in decoded.rejected}
            await self._store(request, decoded, admitted, dialect)
        except Refusal as refusal:
            if refusal.status == 413 and answers.keeps_too_large:
                return await self._keep_start(request, answers, dialect)
            answer = answers.refused(refusal)
        else:
            answer = answers.accepted()
        self._receiver.replies[answer.status] += 1
        return answer

    async def _store(self, request: web.Request, decoded: Decoded, admitted: Admitted, dialect: str) -> None:
        origin = admitted.origin
        if "SP-Anonymous" in request.headers:
            origin = origin.without_address()
            snowplow.forget_network(decoded)
        accepted = self._ingest.take(decoded, origin, dialect)
        del decoded  # what waits for the disk must not hold the memory of thousands of requests
        await self._receiver.stored(accepted, admitted)

    async def _keep_start(self, request: web.Request, answers: Replies, dialect: str) -> web.Response:
        """Keep the beginning of a body that is too large; the rest is read, or its sender would not hear the answer."""
        try:
            start, end, size = await _read_ends(request, self._body_limits.body_timeout_s)
            # Trackers write it behind what makes an event large.
            found = _AID.search(start) or _AID.search(end)
            admitted = self._admit(request, found[1].decode(errors="replace") if found else "", answers)
            reason = (
                f"too large: {size:,} bytes, at most {self._body_limits.max_body_bytes:,} are taken, and "
                f"inflated {self._body_limits.max_inflated_bytes:,}; the first {len(start):,} are kept"
            )
            rejected = [Rejected(Rejection(0, "", reason, "$"), start)]
            await self._store(request, Decoded(Defaults(), [], rejected), admitted, dialect)
        except Refusal as refusal:
            answer = answers.refused(refusal)
        else:
            answer = answers.accepted()
        self._receiver.replies[answer.status] += 1
        return answer

    def _admit(self, request: web.Request, in_body: str, answers: Replies) -> Admitted:
        """What the request's key allows, and where it came from.

        A Snowplow tracker has none: its app id or the vendor in its address is looked up instead.
        """
        vendor = request.match_info.get("vendor") or snowplow.VENDOR
        return self._receiver.admit(
            request,
            (
                _basic_key(request) or key_of(request),
                request.query.get("writeKey", ""),
                in_body,
                vendor if answers.is_keyless else "",
            ),
        )


async def _read_ends(request: web.Request, timeout_s: float) -> tuple[bytes, bytes, int]:
    """The beginning and the end of what is left of a body, and the size of the whole, as sent."""
    start, end, size = b"", b"", 0
    try:
        async with asyncio.timeout(timeout_s):
            while part := await request.content.readany():
                size += len(part)
                start += part[: _KEPT_BYTES - len(start)] if len(start) < _KEPT_BYTES else b""
                end = (end + part)[-_KEPT_BYTES:]
    except TimeoutError:
        pass  # what came is kept; the sender is gone, or comes again
    return start, end, max(size, request.content_length or 0)


def _basic_key(request: web.Request) -> str:
    """The name in `Authorization: Basic`, in which Segment's clients send the key, with or without a colon behind it."""
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(coded.strip()).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def _with_cors(handler: Handler) -> Handler:
    """Let pages of any site read the answer: write keys are public, and no cookie means anything here."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await handler(request)
        origin = request.headers.get("Origin")
        if origin:
            answer.headers.update(_cors(origin))
        return answer

    return handle


def _cors(origin: str) -> dict[str, str]:
    # Snowplow's browser tracker sends with credentials, and then `*` is not allowed.
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Retry-After",
        "Vary": "Origin",
    }


def preflight(request: web.Request) -> web.Response:
    """Allow what the page asks for: `Authorization`, `X-Retry-Count`, `SP-Anonymous` and what clients will add."""
    headers = _cors(request.headers.get("Origin", "*")) | {
        "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "Content-Type"),
        "Access-Control-Max-Age": _CORS_AGE_S,
    }
    return web.Response(headers=headers)


async def _segment_settings(request: web.Request) -> web.Response:
    return replies.segment_settings(request.match_info["key"])


async def _rudder_source(request: web.Request) -> web.Response:
    return replies.rudder_source(request.query.get("writeKey", "") or _basic_key(request))


async def _posthog_config(request: web.Request) -> web.Response:
    return replies.posthog_config(request.match_info["key"])


async def _posthog_script(request: web.Request) -> web.Response:
    return replies.posthog_config_script(request.match_info["key"])


async def _posthog_flags(_request: web.Request) -> web.Response:
    return replies.posthog_flags()
