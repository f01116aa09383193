"""The spool: what is acknowledged is here, on disk, until ClickHouse has it.

Enters: lines of a table. Leaves: sealed segments, each the body of one insert. Guaranteed: `append` returns after the bytes
are on disk; a segment's bytes and name never change once it is sealed; a torn tail is cut before anything is sent.

    DATA/spool/<folder id>/lock                       held by the process that owns the folder
                          /0000000007-events.open     being written
                          /0000000006-events.sealed   waiting for the loader; its path names its insert
                          /0000000005-events.split    holds a row that ClickHouse refuses; loaded in parts
                          /0000000004-events.corrupt  what could not be read back; kept for a person to look at
"""

from __future__ import annotations

from .folder import Folder, adopt
from .frames import CorruptSegment, check_whole, read_lines
from .segment import Segment
from .writer import FAULTS, Spool, SpoolClosed, SpoolFull, SpoolUnavailable

__all__ = [
    "FAULTS",
    "CorruptSegment",
    "Folder",
    "Segment",
    "Spool",
    "SpoolClosed",
    "SpoolFull",
    "SpoolUnavailable",
    "adopt",
    "check_whole",
    "read_lines",
]
