"""A file -> blocks of whole lines.

Enters: bytes, plain, gzip or zstd, told apart by their first bytes and not by a name. Leaves: blocks of whole lines, each with
the place where it ends. Guaranteed: a line is never cut; a block goes on where a bookmark left off only if everything
before it is, by length and checksum, what was imported then.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES = 1024 * 1024  # inflated; about 1,400 events, some milliseconds of work
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class Place(msgspec.Struct, frozen=True):
    """Where a line ends.

    Attributes:
        offset: Bytes before it, inflated.
        lines: Lines before it.
        checksum: CRC-32 of those bytes.
    """

    offset: int = 0
    lines: int = 0
    checksum: int = 0


class Block(NamedTuple):
    """Some whole lines: the first one's number, where the last one ends, and how much of the file is read, as it lies on disk."""

    data: bytes
    first_line: int
    end: Place
    taken_bytes: int


class Unusable(ValueError):
    """The file cannot be read further; the message says what to do."""


class Changed(Exception):
    """What stands before the bookmark is not what was imported."""


def blocks(file: io.BufferedReader, after: Place, max_line_bytes: int) -> Iterator[Block]:
    """Read a file from a place on.

    Args:
        file: Open at its start.
        after: Where to go on; `Place()` is the start.
        max_line_bytes: Longest line, inflated.

    Raises:
        Changed: another file, or an edited one.
        Unusable: damaged, cut off, or holding a longer line.
    """
    counted = _Counted(file)
    pieces = _pieces(counted)
    place = after
    rest: list[bytes] = []
    for piece in chain((_skip(pieces, after),), pieces):
        whole = piece.rfind(b"\n") + 1
        if whole:
            data = b"".join([*rest, piece[:whole]])
            block = _block(data, place, counted.taken_bytes)
            place, rest = block.end, []
            yield block
        rest.append(piece[whole:])
        if sum(map(len, rest)) > max_line_bytes:
            raise Unusable(
                f"line {place.lines + 1:,} is longer than max_inflated_bytes, {max_line_bytes:,}: is it JSON lines, "
                "one batch on each? Raise that setting if it is"
            )
    data = b"".join(rest)
    if data:
        yield _block(data, place, counted.taken_bytes)


def _block(data: bytes, begin: Place, taken_bytes: int) -> Block:
    lines = begin.lines + data.count(b"\n") + (not data.endswith(b"\n"))
    end = Place(begin.offset + len(data), lines, zlib.crc32(data, begin.checksum))
    return Block(data, begin.lines + 1, end, taken_bytes)


def _skip(pieces: Iterator[bytes], after: Place) -> bytes:
    """Pass over what was imported; returns what of its last piece was not."""
    offset = checksum = 0
    while offset < after.offset:
        piece = next(pieces, b"")
        known = piece[: after.offset - offset]
        offset += len(known)
        checksum = zlib.crc32(known, checksum)
        if not piece or (offset == after.offset and checksum != after.checksum):
            raise Changed
        if offset == after.offset:
            return piece[len(known) :]
    return b""


def _pieces(file: _Counted) -> Iterator[bytes]:
    """The bytes, inflated; also those before the place where they are damaged."""
    inflated = _inflated(io.BufferedReader(file, PIECE_BYTES))
    parts: list[bytes] = []
    fault = ""
    try:
        while part := inflated.read1(PIECE_BYTES):  # not `read`, which would lose what it has when it fails
            parts.append(part)
            if sum(map(len, parts)) >= PIECE_BYTES:
                piece, parts = b"".join(parts), []
                yield piece
    except EOFError:
        fault = "the compressed file is cut off"
    except (gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        fault = f"the compressed file is damaged: {error}"
    yield b"".join(parts)
    if fault:
        raise Unusable(f"{fault}; the whole lines before are imported")


def _inflated(
    file: io.BufferedReader[_Counted],
) -> gzip.GzipFile | zstd.ZstdFile | io.BufferedReader[_Counted]:
    head = file.peek(4)[:4]
    if head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if head == _ZSTD or _is_skippable_frame(head):
        return zstd.ZstdFile(file)
    return file


def _is_skippable_frame(head: bytes) -> bool:
    """What `pzstd` begins its files with (RFC 8878, section 3.1.2)."""
    return head[1:] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50


class _Counted(io.RawIOBase):
    """A file that knows how far it has been read."""

    def __init__(self, file: io.BufferedReader) -> None:
        super().__init__()
        self.taken_bytes = 0
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        taken = self._file.readinto(buffer)
        self.taken_bytes += taken
        return taken
