"""A request's body: read within limits, and inflated within limits."""

from __future__ import annotations

import asyncio
import sys
import zlib

from aiohttp import StreamReader, web

from .refusals import too_large, too_slow, unknown_encoding, unreadable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OFF_THE_LOOP = 64 * 1024  # compressed bytes; inflating more would hold up other requests for milliseconds


class BodyLimits:
    """How large and how slow a body may be."""

    def __init__(self, max_body_bytes: int, max_inflated_bytes: int, body_timeout_s: float) -> None:
        self.max_body_bytes = max_body_bytes
        self.max_inflated_bytes = max_inflated_bytes
        self.body_timeout_s = body_timeout_s


async def read_body(request: web.Request, limits: BodyLimits) -> bytes:
    """Read and inflate a body.

    Raises:
        Refusal: too large (before or after inflating), too slow, cut off, or of an unknown encoding.
    """
    length = request.content_length
    if length is not None and length > limits.max_body_bytes:
        raise too_large(limits.max_body_bytes, "the body")
    try:
        if request.content.is_eof():  # all of it is here: no timer needed
            body = await _read(request.content, limits.max_body_bytes)
        else:
            async with asyncio.timeout(limits.body_timeout_s):
                body = await _read(request.content, limits.max_body_bytes)
    except TimeoutError:
        raise too_slow(limits.body_timeout_s) from None
    except (ConnectionError, web.RequestPayloadError) as error:
        raise unreadable(f"it was cut off: {error}") from None  # mostly told to nobody, but counted
    encoding = request.headers.get("Content-Encoding")
    if not encoding or encoding == "identity":
        return body
    if len(body) <= _OFF_THE_LOOP:
        return inflate(body, encoding, limits.max_inflated_bytes)
    return await asyncio.to_thread(inflate, body, encoding, limits.max_inflated_bytes)


async def _read(content: StreamReader, limit: int) -> bytes:
    """Read a body; unlike `request.read()`, which copies it twice and keeps it until the reply is sent."""
    parts: list[bytes] = []
    room = limit
    while part := await content.readany():
        room -= len(part)
        if room < 0:
            raise too_large(limit, "the body")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a Content-Encoding, never holding more than `limit` bytes of the result.

    Raises:
        Refusal: broken or cut off, larger than `limit`, or of an unknown encoding.
    """
    parts: list[bytes] = []
    room = limit
    while body:
        try:
            part, body = _inflate_member(body, encoding.lower(), room + 1)
        except (zlib.error, zstd.ZstdError) as error:
            raise unreadable(f"broken {encoding}: {error}") from None
        room -= len(part)
        if room < 0:
            raise too_large(limit, "the inflated body")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflate_member(body: bytes, encoding: str, limit: int) -> tuple[bytes, bytes]:
    """Inflate the first gzip member or zstd frame; returns it and what follows it."""
    if encoding == "gzip":
        unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        part, whole, rest = unzip.decompress(body, limit), unzip.eof, unzip.unused_data
    elif encoding == "zstd":
        unframe = zstd.ZstdDecompressor()
        part, whole, rest = unframe.decompress(body, limit), unframe.eof, unframe.unused_data
    else:
        raise unknown_encoding(encoding)
    if not whole and len(part) < limit:
        raise unreadable(f"the {encoding} stream is cut off")
    return part, rest
