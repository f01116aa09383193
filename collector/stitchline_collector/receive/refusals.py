"""Every answer that is not 200: its status, its words, and whether to try again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web


class Refusal(Exception):
    """A request that is not accepted as a whole.

    Args:
        status: HTTP status.
        error: What was wrong.
        hint: What to do.
        retry_after_s: When to try again; None when the same request can never succeed.
    """

    def __init__(self, status: int, error: str, hint: str, retry_after_s: int | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint
        self.retry_after_s = retry_after_s

    def response(self) -> web.Response:
        """The refusal as an answer in JSON."""
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        body = msgspec.json.encode({"error": self.error, "hint": self.hint})
        return web.Response(status=self.status, body=body, content_type="application/json", headers=headers)


@web.middleware
async def in_our_shape(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Say what the HTTP library refuses by itself as everything else is said, and not as plain text."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return Refusal(
            404, "there is nothing at this address", "sdk/spec/openapi.json lists all addresses"
        ).response()
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        answer = Refusal(405, f"{request.method} is not for this address", f"send {allowed}").response()
        answer.headers["Allow"] = allowed
        return answer
    except web.HTTPRequestEntityTooLarge:
        return too_large(request.client_max_size, "the body").response()


def elsewhere(why: Exception) -> Refusal:
    """409: another collector on the same ClickHouse does this."""
    return Refusal(409, str(why), "it is the one whose /metrics say stitchline_stitch_standby 0")


def unreadable(why: str) -> Refusal:
    """400: the body as a whole cannot be understood."""
    return Refusal(
        400, f"unreadable body: {why}", 'send {"events": [{"type": "track", "name": "..."}]} as JSON'
    )


def unknown_key(*, given: bool) -> Refusal:
    """401: no key, or one that is not configured for this."""
    error = "unknown key" if given else "no key"
    return Refusal(
        401,
        error,
        "send `Authorization: Bearer KEY` (or `?key=KEY`) with a key from the collector's configuration",
    )


def too_large(limit: int, what: str) -> Refusal:
    """413: more than the collector takes at once."""
    return Refusal(413, f"{what} is larger than {limit:,} bytes", "send smaller batches")


def too_many(why: str) -> Refusal:
    """413: more events than the collector takes at once."""
    return Refusal(413, why, "send smaller batches")


def unknown_encoding(name: str) -> Refusal:
    """415: a Content-Encoding that is not spoken here."""
    return Refusal(415, f"unknown Content-Encoding {name!r}", "send gzip, zstd or none")


def foreign_page() -> Refusal:
    """403: the key is for pages of other sites, or for pages only."""
    return Refusal(
        403,
        "this key is for pages of certain origins, and this request comes from none of them",
        "add the page's origin to the key, or send with a key without origins",
    )


def over_rate(retry_after_s: int, whose: str) -> Refusal:
    """429: the rate of a key or an address is used up."""
    return Refusal(429, f"over {whose} rate", "send again after Retry-After seconds", retry_after_s)


def unavailable(why: str) -> Refusal:
    """503: nothing can be made durable now."""
    return Refusal(503, why, "nothing of this request was taken: send it again after Retry-After seconds", 5)


def too_slow(timeout_s: float) -> Refusal:
    """408: the body did not arrive in time."""
    return Refusal(408, f"the body did not arrive within {timeout_s:g} s", "send it again", 1)
