"""Pages of any site may send: write keys are public, and no cookie means anything here (the Fetch standard, section 3.3)."""

from __future__ import annotations

from aiohttp import web

_AGE_S = "86400"  # browsers remember it for as long as they like, Chromium for 2 hours


def allow(request: web.Request, answer: web.Response) -> web.Response:
    """Let the page that asked read the answer; others get it as it is.

    Args:
        request: with an `Origin` where a browser sent it.
        answer: the answer to it.

    Returns:
        The same answer. Requests come without credentials, so no site has to be named.
    """
    if "Origin" in request.headers:
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Access-Control-Expose-Headers"] = "Retry-After"
    return answer


async def preflight(_request: web.Request) -> web.Response:
    """Say to a browser that it may send the key, JSON, and compressed."""
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding",
            "Access-Control-Max-Age": _AGE_S,
        },
    )
