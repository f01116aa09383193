"""Segments as concatenations of zstd frames, each one group commit of lines.

Several frames in a row are one valid zstd stream (RFC 8878, section 3), so a segment is sent to ClickHouse as it lies on disk.
ClickHouse does not notice a torn last frame: it takes the rows before it and reports success. So a segment is checked here
before it is sent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME_BEGINS = b"\x28\xb5\x2f\xfd"  # RFC 8878, section 3.1.1
_LEVEL = 1  # the fastest; the bytes are soon deleted again
_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: _LEVEL,
    zstd.CompressionParameter.checksum_flag: 1,
    zstd.CompressionParameter.content_size_flag: 1,
}


class CorruptSegment(ValueError):
    """A segment does not end where a frame ends, or a frame's checksum is wrong."""


def frame(lines: bytes) -> bytes:
    """Lines as one checksummed zstd frame."""
    return zstd.compress(lines, options=_OPTIONS)


def frames(segment: bytes) -> Iterator[memoryview]:
    """The whole frames at the beginning of a segment; what follows the last one is torn."""
    rest = memoryview(segment)
    while rest:
        try:
            size = zstd.get_frame_size(rest)
        except zstd.ZstdError:
            return
        yield rest[:size]
        rest = rest[size:]


def check_whole(segment: bytes) -> None:
    """Check that a segment ends where a frame ends, by the headers alone (a microsecond a block).

    Raises:
        CorruptSegment: it does not.
    """
    size = sum(len(part) for part in frames(segment))
    if size != len(segment):
        raise CorruptSegment(f"{len(segment) - size:,} bytes after byte {size:,} are no whole zstd frame")


def read_lines(segment: bytes) -> list[bytes]:
    """The lines of a segment, without their newlines.

    Raises:
        CorruptSegment: a frame is torn or its checksum is wrong.
    """
    check_whole(segment)
    try:
        # Not splitlines: it would also end a line at a carriage return, which is white space in JSON.
        return zstd.decompress(segment).split(b"\n")[:-1]
    except zstd.ZstdError as error:
        raise CorruptSegment(str(error)) from None


def sound_prefix(segment: bytes) -> tuple[int, int]:
    """Bytes and lines of the frames before the first torn or damaged one."""
    size = lines = 0
    for part in frames(segment):
        count = count_lines(part)
        if count is None:
            break
        lines += count
        size += len(part)
    return size, lines


def count_lines(part: memoryview) -> int | None:
    """Lines of a frame; None when it is damaged."""
    try:
        return zstd.decompress(part).count(b"\n")
    except zstd.ZstdError:
        return None
