"""Erasures that were begun, one file each in the data folder, so that none is left half done.

Enters: whom to erase. Leaves: what is to be finished, at the next start if need be; and of what is finished, a receipt that names
nobody. Guaranteed: before the first row goes it is on disk who is to be erased; afterwards it is not.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import msgspec

from ..spool.folder import sync_directory
from ..suppression.suppressions import Withdrawn
from .subject import Subject

_OPEN, _DONE = ".open", ".json"


class Request(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One erasure.

    Attributes:
        id: names it, and tells nothing.
        requested_at: when.
        subject: who; None once it is done.
        found: rows and files by place, over all attempts.
        left: rows by place after the last one.
        finished_at: when; None while it is not.
        withdrawn: whose withdrawals it carries out, to be suppressed until they say yes; empty for a wish, and once it is done.
        withdrawals: how many.
    """

    id: str
    requested_at: dt.datetime
    subject: Subject | None = None
    found: dict[str, int] = {}
    left: dict[str, int] = {}
    finished_at: dt.datetime | None = None
    withdrawn: list[Withdrawn] = []
    withdrawals: int = 0


class Journal:
    """The erasures of a data folder.

    Args:
        data: the data folder.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / "erasures"

    def write(self, request: Request) -> None:
        """Put a request on disk, in place of what stood there.

        Raises:
            OSError: the data folder cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / (request.id + (_OPEN if request.subject else _DONE))
        made = path.with_suffix(".new")
        with made.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(msgspec.json.encode(request))
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
        if path.suffix == _DONE:
            path.with_suffix(_OPEN).unlink(missing_ok=True)
        sync_directory(self._folder)

    def pending(self) -> list[Request]:
        """Those that were begun and not finished, the oldest first."""
        found = [
            msgspec.json.decode(path.read_bytes(), type=Request) for path in self._folder.glob(f"*{_OPEN}")
        ]
        return sorted(found, key=lambda one: one.requested_at)
