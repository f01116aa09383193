"""Segment files: records that survive a power loss, or are seen to be torn.

In: payloads. Out: the same payloads, up to the first damaged record. Guaranteed: a torn or damaged tail is found by
length and CRC-32 and never delivered.

A segment is ``STL1``, then records of ``<u32 length><u32 CRC-32 of the payload><payload>``, little endian. The first
record is the head its events share (SDK, device, channel at the time they were made); each other one is an event.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAGIC: Final = b"STL1"
_RECORD: Final = struct.Struct("<II")
_MAX_RECORD_BYTES: Final = 1024 * 1024

sync_data: Final = getattr(os, "fdatasync", os.fsync)
"""Makes a file's bytes durable: fdatasync where the system has it."""


def framed(payloads: Iterable[bytes]) -> bytes:
    """Return payloads as records."""
    return b"".join(
        part for payload in payloads for part in (_RECORD.pack(len(payload), zlib.crc32(payload)), payload)
    )


def parsed(data: bytes, at: int = 0) -> tuple[list[bytes], list[int]]:
    """Read records.

    Args:
        data: bytes of a segment.
        at: where the first record begins.

    Returns:
        The whole payloads, and for each the offset behind it. Reading stops at the first torn or damaged record.
    """
    payloads: list[bytes] = []
    ends: list[int] = []
    while at + _RECORD.size <= len(data):
        length, checksum = _RECORD.unpack_from(data, at)
        end = at + _RECORD.size + length
        payload = data[at + _RECORD.size : end]
        if length > _MAX_RECORD_BYTES or end > len(data) or zlib.crc32(payload) != checksum:
            break
        payloads.append(payload)
        ends.append(end)
        at = end
    return payloads, ends


class Segment:
    """One file of the offline folder.

    Attributes:
        path: the file.
        head: what its events share.
        begin: offset of the first event.
        size: bytes that are whole.
        events: events in it.
        sent: events that were delivered or dropped.
        sent_to: offset behind them.
    """

    __slots__ = ("begin", "events", "head", "path", "sent", "sent_to", "size")

    def __init__(self, path: str, head: bytes, size: int, events: int) -> None:
        self.path = path
        self.head = head
        self.begin = len(framed([head])) + len(MAGIC)
        self.size = size
        self.events = events
        self.sent = 0
        self.sent_to = self.begin

    def unsent(self) -> tuple[list[bytes], list[int]]:
        """Return the events not sent yet, and the offset behind each."""
        with open(self.path, "rb") as file:  # noqa: PTH123 - the SDK does not import pathlib
            file.seek(self.sent_to)
            payloads, ends = parsed(file.read(self.size - self.sent_to))
        return payloads, [self.sent_to + end for end in ends]


def create(path: str, head: bytes) -> tuple[Segment, int]:
    """Make a segment and write its head.

    Returns:
        The segment, and the descriptor to append to.

    Raises:
        OSError: the disk refuses; nothing is left.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    data = MAGIC + framed([head])
    try:
        write_all(fd, data)
        sync_data(fd)
    except OSError:
        os.close(fd)
        os.unlink(path)  # noqa: PTH108
        raise
    return Segment(path, head, len(data), 0), fd


def write_all(fd: int, data: bytes) -> None:
    """Write all bytes; a disk that is nearly full takes only some at a time.

    Raises:
        OSError: the disk refuses.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def recover(path: str) -> tuple[Segment | None, bool]:
    """Open a segment that an earlier process left, and cut a torn tail.

    Returns:
        The segment, or None when nothing in it is whole; and whether bytes were cut.

    Raises:
        OSError: the disk refuses.
    """
    with open(path, "r+b") as file:  # noqa: PTH123
        data = file.read()
        payloads, ends = parsed(data, len(MAGIC)) if data.startswith(MAGIC) else ([], [])
        size = ends[-1] if ends else 0
        if size < len(data):
            file.truncate(size)
            os.fsync(file.fileno())
    if len(payloads) < 2:
        os.unlink(path)  # noqa: PTH108
        return None, size < len(data)
    return Segment(path, payloads[0], size, len(payloads) - 1), size < len(data)
