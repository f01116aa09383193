"""One HTTP request at a time over a connection that is kept.

In: the body of a batch. Out: status, headers that matter and the answer's bytes.
Guaranteed: a request ends by its deadline, whatever the other side does (also when it sends one byte a second), and
every network failure is a `DeliveryError`. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from stitchline._settings import Target

_MAX_ANSWER_BYTES: Final = 1024 * 1024
_PROXY_VARIABLES: Final = ("https_proxy", "http_proxy", "all_proxy")


class DeliveryError(Exception):
    """The request did not come to an answer; it may have been read by the other side all the same."""


class Answer(NamedTuple):
    """What the other side said."""

    status: int
    retry_after: str | None
    body: bytes


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until a deadline: a socket's own timeout begins again with every byte."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not come in time")
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


class Transport:
    """A connection to the collector, made when needed and kept between requests.

    Args:
        target: where to.
        headers: sent with every request.
    """

    def __init__(self, target: Target, headers: dict[str, str]) -> None:
        self._target = target
        self._headers = headers
        self._connection: http.client.HTTPConnection | None = None
        self._path = target.path
        # http.client has imported ssl already.
        self._context = ssl.create_default_context() if target.secure else None

    def post(self, body: bytes, *, gzipped: bool, timeout_s: float) -> Answer:
        """Send a batch.

        Args:
            body: the bytes.
            gzipped: whether they are compressed.
            timeout_s: seconds for everything: connecting, sending and the whole answer.

        Raises:
            DeliveryError: there is no whole answer.
        """
        deadline = time.monotonic() + timeout_s
        headers = {**self._headers, "Content-Encoding": "gzip"} if gzipped else self._headers
        reused = self._connection is not None
        try:
            return self._exchange(body, headers, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            # A kept connection that the other side has closed meanwhile says nothing about its health. The events
            # keep their ids, so that a body which did arrive counts once.
            if not reused or not isinstance(error, (http.client.RemoteDisconnected, ConnectionError)):
                raise DeliveryError(f"{type(error).__name__}: {error}") from error
        try:
            return self._exchange(body, headers, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise DeliveryError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abort(self) -> None:
        """End a request from another thread: its next read or write fails."""
        connection = self._connection
        sock = None if connection is None else connection.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # closed already

    def _exchange(self, body: bytes, headers: dict[str, str], deadline: float) -> Answer:
        connection = self._connection
        left = max(0.001, deadline - time.monotonic())
        if connection is None:
            connection = self._connection = self._connect(left)
        if connection.sock is not None:
            connection.sock.settimeout(left)
        connection.request("POST", self._path, body, headers)
        sock = connection.sock

        def response(*_: object, **__: object) -> http.client.HTTPResponse:
            made = http.client.HTTPResponse(sock, method="POST")
            made.fp.close()
            made.fp = io.BufferedReader(_DeadlineReader(sock, deadline))
            return made

        connection.response_class = response  # type: ignore[assignment]
        answer = connection.getresponse()
        text = answer.read(_MAX_ANSWER_BYTES)
        if answer.will_close or not answer.isclosed():
            self.close()
        return Answer(answer.status, answer.getheader("Retry-After"), text)

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        target = self._target
        proxy = _proxy(target)
        if not target.secure:
            if proxy is None:
                return http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
            self._path = f"http://{target.host}:{target.port}{target.path}"
            self._headers = {**self._headers, **proxy.headers}
            return http.client.HTTPConnection(proxy.host, proxy.port, timeout=timeout_s)
        if self._context is None:
            import ssl  # 10 ms that plain HTTP does not need

            self._context = ssl.create_default_context()
        if proxy is None:
            return http.client.HTTPSConnection(
                target.host, target.port, timeout=timeout_s, context=self._context
            )
        tunnel = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=timeout_s, context=self._context)
        tunnel.set_tunnel(target.host, target.port, proxy.headers)
        return tunnel


class _Proxy(NamedTuple):
    host: str
    port: int
    headers: dict[str, str]


def _proxy(target: Target) -> _Proxy | None:
    """Return the proxy that the environment names for this address (``HTTPS_PROXY``, ``NO_PROXY``, ...)."""
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXY_VARIABLES):
        return None
    from urllib.parse import unquote, urlsplit  # only behind a proxy
    from urllib.request import getproxies, proxy_bypass  # the same

    named = getproxies()
    url = named.get("https" if target.secure else "http") or named.get("all")
    if not url or proxy_bypass(target.host):
        return None
    parts = urlsplit(url if "//" in url else f"//{url}")
    if not parts.hostname:
        return None
    headers = {}
    if parts.username:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    return _Proxy(parts.hostname, parts.port or 8080, headers)
