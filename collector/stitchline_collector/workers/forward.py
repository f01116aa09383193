"""A worker's questions: passed on as they are to the process that has ClickHouse, and its answers back."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import (
    ClientConnectionError,
    ClientPayloadError,
    ClientSession,
    ClientTimeout,
    UnixConnector,
    web,
)
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ..receive.refusals import Refusal

# Of one connection, not of the message (RFC 9110, section 7.6.1); the length is told anew.
_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host"}
)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TRIES = 3
_READY_WITHIN_S = 2.0


class Forward:
    """Passes requests on.

    Args:
        path: The unix socket of who answers. While that process starts again, requests wait in the socket's queue.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def start(self) -> None:
        """Begin; call on the event loop."""
        self._session = ClientSession(
            connector=UnixConnector(self._path, limit=0),
            auto_decompress=False,
            timeout=ClientTimeout(total=None),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer a request with the other's answer; 503 when there is none."""
        body = await request.read()
        for tried in range(1, _TRIES + 1):
            answer: web.StreamResponse | None = None
            try:
                async with self._session.request(
                    request.method,
                    URL(f"http://loader{request.raw_path}", encoded=True),
                    headers=_passed(request.headers),
                    data=body or None,
                    allow_redirects=False,
                ) as found:
                    answer = web.StreamResponse(status=found.status, headers=_passed(found.headers))
                    answer.content_length = found.content_length
                    await answer.prepare(request)
                    async for part in found.content.iter_any():
                        await answer.write(part)
                    await answer.write_eof()
                    return answer
            except (ClientConnectionError, ClientPayloadError, asyncio.IncompleteReadError):
                if answer is not None:  # begun: the connection breaks off, as the other's did
                    if request.transport:
                        request.transport.close()
                    return answer
                # A statement that changes something may have been heard: its sender decides.
                if request.method not in _SAFE or tried == _TRIES:
                    break
        return Refusal(
            503, "the loading process has just ended and is started again", "ask again in a moment", 1
        ).response()

    async def ready(self) -> dict[str, Any]:
        """What the other says of loading."""
        with contextlib.suppress(ClientConnectionError, TimeoutError, ValueError):
            timeout = ClientTimeout(total=_READY_WITHIN_S)
            async with self._session.get("http://loader/health/ready", timeout=timeout) as found:
                told: dict[str, Any] = await found.json()
                return told
        return {"loading": "the loading process does not answer"}


def _passed(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP)
