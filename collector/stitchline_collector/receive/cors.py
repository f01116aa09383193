"""Pages of any site may read an answer: write keys are public, and no cookie means anything here (the Fetch standard, section 3.3).

Which pages may *send* is checked against the key, not left to browsers: `Receiver.admit`. A refusal can be read by every page, or
its client would take it for a broken network and try for ever. A preflight has no key; it is refused where no key at all
would take events from the page.
"""

from __future__ import annotations

from urllib.parse import urlsplit

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


def page_origin(request: web.Request) -> str:
    """Scheme, host and port of the page that sent a request; empty when the browser does not tell, or it is none.

    Images and same-origin GETs have no `Origin`, but mostly a `Referer`.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        page = urlsplit(request.headers.get("Referer", ""))
        origin = f"{page.scheme}://{page.netloc}" if page.netloc else ""
    return origin.lower()


def refuse_page() -> web.Response:
    """Say to a browser that the page may not send."""
    return web.Response(status=403)


def preflight() -> web.Response:
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
