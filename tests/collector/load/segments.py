"""Sealed segments of real rows, for the tests of the loader."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from stitchline_collector.spool import Segment
from stitchline_collector.spool.frames import frame
from stitchline_collector.spool.segment import SEALED, segment_path

NOON = "2026-11-22T12:00:00Z"
# What ClickHouse refuses although it is JSON: a number beyond a double.
POISON = '{"a":1e999}'


def line(
    properties: str = "{}", event_id: str = "", seq: int = 0, identifiers: dict[str, str] | None = None
) -> bytes:
    """One row of `events_raw`."""
    head = [event_id or str(uuid.uuid4()), "track", "x", NOON, NOON, seq, identifiers or {}]
    head += [{}, "", "", "", {}, {}, {}]
    tail = [{"id": "d"}, NOON, NOON, "test", {}, "", {}, {}, {}, False]
    return f"{json.dumps(head)[:-1]},{properties},{json.dumps(tail)[1:]}".encode()


def write(
    folder: Path, lines: Sequence[bytes], number: int = 1, table: str = "events", per_frame: int = 3
) -> Segment:
    """A sealed segment of several commits."""
    folder.mkdir(exist_ok=True)
    parts = [lines[first : first + per_frame] for first in range(0, len(lines), per_frame)]
    data = b"".join(frame(b"\n".join(part) + b"\n") for part in parts)
    path = segment_path(folder, number, table).with_suffix(SEALED)
    path.write_bytes(data)
    return Segment(path, len(lines), len(data))


def damaged(segment: Segment, at: int) -> Segment:
    """The same segment with a bit of one byte turned over."""
    data = bytearray(segment.path.read_bytes())
    data[at] ^= 0x10
    segment.path.write_bytes(data)
    return segment


class Gone(list[Segment]):
    """Segments that left the disk, in order."""

    @property
    def hook(self) -> Callable[[Segment], None]:
        """What the loader calls."""
        return self.append
