"""An answer on its way: from a thread's reader, part by part, compressed, to the client.

Enters: parts of an answer, on a thread. Leaves: the same, written on the event loop. Guaranteed: the thread never runs
further ahead of the client than one part, a client that stops reading does not hold a thread for ever, and an error after the
begin is told in a server's manner: in the body, after a tag that the headers announced, with the connection cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Protocol

import lz4.frame
from aiohttp import web

from ...engine import EngineError
from .blocks import Blocks

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CLIENT_TIMEOUT_S = 60.0  # for one part
TAG_HEADER = "X-ClickHouse-Exception-Tag"


class Compressor(Protocol):
    """What all compressors have."""

    def compress(self, data: bytes, /) -> bytes:
        """Take data, give what is ready."""

    def flush(self) -> bytes:
        """Give the rest."""


class ClientGone(Exception):
    """The client went away or stopped reading."""


def compressor_for(encodings: tuple[str, ...], *, in_blocks: bool) -> tuple[str, Compressor | None]:
    """How an answer is compressed.

    Args:
        encodings: Content encodings that the client takes, the best first.
        in_blocks: Whether it is packed in ClickHouse's own blocks, inside whatever encoding.

    Returns:
        The first encoding that is spoken, empty for none, and the compressor; None when nothing is to be done.
    """
    name, outer = _encoder(encodings)
    if not in_blocks:
        return name, outer
    return name, Blocks() if outer is None else _Chain(Blocks(), outer)


def _encoder(encodings: tuple[str, ...]) -> tuple[str, Compressor | None]:
    for name in encodings:
        if name == "zstd":
            return name, zstd.ZstdCompressor(level=1)
        if name in ("gzip", "deflate"):
            return name, zlib.compressobj(1, wbits=31 if name == "gzip" else 15)
        if name == "lz4":
            return name, _Lz4()
    return "", None


class _Chain:
    """One compressor inside another."""

    def __init__(self, inner: Compressor, outer: Compressor) -> None:
        self._inner = inner
        self._outer = outer

    def compress(self, data: bytes, /) -> bytes:
        return self._outer.compress(self._inner.compress(data))

    def flush(self) -> bytes:
        return self._outer.compress(self._inner.flush()) + self._outer.flush()


class _Lz4:
    """LZ4 frames, whose head is asked for apart."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head = bytes(self._frame.begin())

    def compress(self, data: bytes, /) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return self._head + bytes(self._frame.flush())


def compressed(parts: Iterable[bytes], compressor: Compressor | None) -> Iterator[bytes]:
    """The parts, compressed, none of them empty."""
    for part in parts:
        ready = compressor.compress(part) if compressor else part
        if ready:
            yield ready
    if compressor and (rest := compressor.flush()):
        yield rest


def abort(request: web.Request) -> None:
    """Cut a connection without waiting for the client to read what was written."""
    if request.transport is not None:
        request.transport.abort()


class Outlet:
    """Writes an answer, called on a thread.

    Args:
        request: Whose answer it is.
        headers: The answer's, but for the tag.
        loop: Where to write.
        open_requests: Those whose answers are being written, by `id`; emptied when no more may be.
    """

    def __init__(
        self,
        request: web.Request,
        headers: dict[str, str],
        loop: asyncio.AbstractEventLoop,
        open_requests: dict[int, web.Request],
    ) -> None:
        self._open = open_requests
        self._request = request
        self._tag = secrets.token_hex(8)
        self._response = web.StreamResponse(headers={**headers, TAG_HEADER: self._tag})
        self._loop = loop
        self._begun = False

    def send(
        self,
        parts: Generator[bytes, None, None],
        compressor: Compressor | None,
        worded: Callable[[EngineError], str],
    ) -> web.StreamResponse:
        """Write an answer; returns when all of it is written, or the client is gone.

        Args:
            parts: Of the answer.
            compressor: If it is to be compressed.
            worded: An error's text.

        Raises:
            EngineError: before anything was written.
        """
        with contextlib.closing(parts), contextlib.suppress(ClientGone):
            try:
                for ready in compressed(parts, compressor):
                    self._write(ready)
            except EngineError as error:
                if not self._begun:
                    raise
                self._fail(worded(error), compressor)
            else:
                self._write(b"")  # an answer may have no parts
        return self._response

    def _fail(self, text: str, compressor: Compressor | None) -> None:
        told = text.strip().encode()
        tag = self._tag.encode()
        block = b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (tag, told, len(told), tag)
        self._write(b"".join(compressed([block], compressor)))
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        """Close without the last chunk, so that nobody takes a part for the whole."""
        if self._request.transport is not None:
            self._request.transport.close()

    def _write(self, part: bytes) -> None:
        """Write a part, and wait until the client has room for the next."""
        sent = asyncio.run_coroutine_threadsafe(self._written(part), self._loop)
        try:
            sent.result(_CLIENT_TIMEOUT_S)
        except (OSError, TimeoutError, CancelledError, RuntimeError) as error:
            sent.cancel()
            self._loop.call_soon_threadsafe(abort, self._request)
            raise ClientGone from error

    async def _written(self, part: bytes) -> None:
        if id(self._request) not in self._open:
            raise ConnectionResetError("the port is closing")
        if not self._begun:
            self._begun = True
            await self._response.prepare(self._request)
        if part:
            await self._response.write(part)
