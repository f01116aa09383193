"""ASGI: a scope for each request and WebSocket, also while its answer streams.

In: any ASGI 3 app. Out: the same app; inside a request ``client.track(...)`` is tagged with the visitor's device and
session. Guaranteed: nothing here waits; the binding ends with the request. asyncio is not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stitchline.middleware._cookies import Options, visit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from stitchline._client import Client

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

_BEGINNINGS = frozenset({"http.response.start", "websocket.accept"})


class ASGIMiddleware:
    """Wraps an ASGI app.

    Args:
        app: the app.
        client: whose scopes.
        channel: of the events; the Client's own when None.
        session_timeout_s: seconds of silence that end a session.
        cookie_domain: e.g. ``example.com`` to share the device between subdomains.
        cookie_path: path of the cookies.
        secure: the cookies' Secure; by the request's scheme when None. Set True behind a proxy that ends TLS.
        allow_cookies: asked with the request's cookies; False keeps none and makes no device (no consent yet).

    Example:
        >>> app.add_middleware(ASGIMiddleware, client=client)  # FastAPI, Starlette
    """

    def __init__(
        self,
        app: App,
        client: Client,
        *,
        channel: str | None = "web",
        session_timeout_s: int = 1800,
        cookie_domain: str | None = None,
        cookie_path: str = "/",
        secure: bool | None = None,
        allow_cookies: Callable[[Mapping[str, str]], bool] | None = None,
    ) -> None:
        self._app = app
        self._client = client
        self._options = Options(channel, session_timeout_s, cookie_domain, cookie_path, secure, allow_cookies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        https = scope.get("scheme") in {"https", "wss"}
        current = visit(
            self._client, self._options, headers.get("cookie", ""), _page(scope, headers), https=https
        )

        async def with_cookies(message: MutableMapping[str, Any]) -> None:
            if message["type"] in _BEGINNINGS:
                lines = [(b"set-cookie", line.encode("latin-1")) for line in current.cookies()]
                message = {**message, "headers": [*message.get("headers", ()), *lines]}
            await send(message)

        with current.scope:
            await self._app(scope, receive, with_cookies)


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by lower-case name; HTTP/2 may split cookies over several."""
    headers: dict[str, str] = {}
    for name, value in scope.get("headers", ()):
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}; {text}" if key in headers and key == "cookie" else text
    return headers


def _page(scope: Scope, headers: dict[str, str]) -> dict[str, str]:
    query = scope.get("query_string", b"").decode("latin-1")
    # The path of the scope includes root_path (ASGI 2.3 and later).
    url = f"{scope.get('scheme', 'http')}://{headers.get('host', '')}{scope.get('path', '')}"
    return {"url": f"{url}?{query}" if query else url, "referrer": headers.get("referer", "")}
