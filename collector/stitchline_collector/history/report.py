"""What an import says of itself, while it runs and afterwards."""

from __future__ import annotations

from enum import Enum

import msgspec


class State(Enum):
    """What an import is doing."""

    READING = "reading"
    WAITING = "waiting for room in the spool"
    LOADING = "loading"


class Tally(msgspec.Struct):
    """What this run has stored so far, of all files.

    Attributes:
        events: Accepted.
        rejected: Events and unreadable lines.
        suppressed: Events and rejections left out, because they tell of somebody erased.
        inflated_bytes: Of the lines.
    """

    events: int = 0
    rejected: int = 0
    suppressed: int = 0
    inflated_bytes: int = 0


class Progress(msgspec.Struct, frozen=True):
    """How far an import is.

    Attributes:
        state: What it is doing.
        file: The file it is at.
        size: Of that file in bytes, 0 when not known; rows to load, when loading.
        done: How much of that is done.
        tally: Of this run.
        waiting_rows: Sealed, and to be loaded by this process.
        fault: Why loading fails, empty when it does not.
    """

    state: State
    file: str
    size: int
    done: int
    tally: Tally
    waiting_rows: int
    fault: str


class Imported(msgspec.Struct, frozen=True):
    """What became of a file.

    Attributes:
        file: Its name.
        complete: Whether all of it is durable.
        accepted: Events, in this run and those it went on from.
        rejected: Rejections by kind of reason, likewise.
        lines: Lines read, likewise.
        lines_before: Of them, in the runs it went on from.
        changed: Whether it was begun anew, because it is not what was imported in part.
    """

    file: str
    complete: bool
    accepted: int
    rejected: dict[str, int]
    lines: int
    lines_before: int
    changed: bool
