"""WSGI: a scope for each request, also while its answer streams.

In: any WSGI app. Out: the same app; inside a request ``client.track(...)`` is tagged with the visitor's device and
session. Guaranteed: the binding ends with the request, whatever the app, the server or an exception does: all of the
request runs in a context of its own.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from stitchline.middleware._cookies import Options, visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from stitchline._client import Client


class WSGIMiddleware:
    """Wraps a WSGI app.

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
        >>> app.wsgi_app = WSGIMiddleware(app.wsgi_app, client)  # Flask
    """

    def __init__(
        self,
        app: WSGIApplication,
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

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request in a context of its own."""
        https = environ.get("wsgi.url_scheme") == "https"
        current = visit(
            self._client, self._options, str(environ.get("HTTP_COOKIE", "")), _page(environ), https=https
        )

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            with_cookies = [*headers, *(("Set-Cookie", line) for line in current.cookies())]
            return (
                start_response(status, with_cookies, exc_info)
                if exc_info
                else start_response(status, with_cookies)
            )

        context = contextvars.copy_context()
        context.run(current.scope.__enter__)
        result = context.run(self._app, environ, start)
        # A finished list needs no context any more; anything else may still run the app's code.
        return result if isinstance(result, (list, tuple)) else _Streaming(result, context)


class _Streaming:
    """Runs the rest of the app, while its answer streams, in the request's context."""

    def __init__(self, result: Iterable[bytes], context: contextvars.Context) -> None:
        self._result = result
        self._context = context
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> _Streaming:
        return self

    def __next__(self) -> bytes:
        if self._iterator is None:
            self._iterator = self._context.run(iter, self._result)
        return self._context.run(next, self._iterator)

    def close(self) -> None:
        """Let the app clean up, as WSGI demands (PEP 3333)."""
        close = getattr(self._result, "close", None)
        if close is not None:
            self._context.run(close)


def _page(environ: WSGIEnvironment) -> dict[str, str]:
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    query = environ.get("QUERY_STRING", "")
    # WSGI hands bytes on as latin-1 texts.
    path = path.encode("latin-1", "replace").decode("utf-8", "replace")
    url = f"{environ.get('wsgi.url_scheme', 'http')}://{host}{path}{f'?{query}' if query else ''}"
    return {"url": url, "referrer": str(environ.get("HTTP_REFERER", ""))}
