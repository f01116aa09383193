"""Between collector and ClickHouse: a proxy that makes a healthy server slow, moody or deaf.

In: the server's port. Out: a port of its own. Guaranteed: whatever it refuses, it has ClickHouse itself refuse: it adds settings to
a request (`max_memory_usage=1`), so that the answer is the real one; and it can lose answers and cut requests in the middle.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import threading
import urllib.parse
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Mood:
    """How requests are treated from now on.

    Args:
        settings: Added to each request; ClickHouse obeys them.
        delay_s: How long each request waits first.
        lose_answers: The part of answers that the collector never sees, though ClickHouse has done what was asked.
        cut_bodies: The part of requests of which ClickHouse sees the first half only.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        lose_answers: float = 0.0,
        cut_bodies: float = 0.0,
    ) -> None:
        self.settings = dict(settings or {})
        self.delay_s = delay_s
        self.lose_answers = lose_answers
        self.cut_bodies = cut_bodies
        self.over = threading.Event()  # ends the waits


class Proxy:
    """An HTTP proxy on a free port of loopback.

    Args:
        port: To listen on.
        upstream: The server's port.
        seed: Decides which answers are lost and which requests are cut.
    """

    def __init__(self, port: int, upstream: int, seed: int) -> None:
        self.port = port
        self.mood = Mood()
        self._dice = random.Random(seed)
        proxy = self

        class Handler(_Handler):
            def treat(self) -> None:
                _pass_on(self, proxy.mood, upstream, proxy._dice.random())

        self._server = _Server(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def become(self, mood: Mood | None = None) -> None:
        """Treat requests this way, those that wait now among them; without a mood, pass everything on."""
        before, self.mood = self.mood, mood or Mood()
        before.over.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.become()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of a collector that was killed within a request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def treat(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.treat()

    def do_POST(self) -> None:
        self.treat()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests' output is theirs."""


def _pass_on(request: _Handler, mood: Mood, upstream: int, luck: float) -> None:
    body = _body(request)
    mood.over.wait(mood.delay_s)
    upstream_connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=600)
    try:
        path = _with_settings(request.path, mood.settings)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        if luck < mood.cut_bodies and len(body) > 1:
            _send_half(upstream, request.command, path, headers, body)
            _hang_up(request)
            return
        upstream_connection.request(request.command, path, body, headers)
        answer = upstream_connection.getresponse()
        content = answer.read()
        if luck < mood.lose_answers:
            _hang_up(request)
            return
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
    except (OSError, http.client.HTTPException):  # ClickHouse is away, or the collector is
        _hang_up(request)
    finally:
        upstream_connection.close()


def _body(request: _Handler) -> bytes:
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length", "0")))
    parts = []
    while size := int(request.rfile.readline().partition(b";")[0], 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(parts)


def _with_settings(path: str, settings: Mapping[str, str]) -> str:
    if not settings:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urllib.parse.urlencode(settings)}"


def _send_half(upstream: int, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
    """Say how long the body is, send half of it and go away."""
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    head.append(f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", upstream), timeout=60) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body[: len(body) // 2])


def _hang_up(request: _Handler) -> None:
    request.close_connection = True
    with contextlib.suppress(OSError):
        request.connection.shutdown(socket.SHUT_RDWR)
