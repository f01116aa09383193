"""How far a file is imported, kept in the data folder.

    DATA/import/<what it is and where it goes>.json

Guaranteed: a bookmark says nothing that is not durable yet. It is found by the file's first bytes, so a file may be renamed; it is
kept for each source and each ClickHouse apart. A lost or broken one costs time only: events that are imported again are
the same events.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from ..ingest import kind_of
from .reading import Place

HEAD_BYTES = 64 * 1024


class Count(msgspec.Struct, frozen=True):
    """What became of the lines of a file so far.

    Attributes:
        accepted: Events.
        rejected: Events and unreadable lines, by kind of reason.
    """

    accepted: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)

    def plus(self, accepted: int, reasons: list[str]) -> Count:
        """The same after some more."""
        rejected = dict(self.rejected)
        for kind in map(kind_of, reasons):
            rejected[kind] = rejected.get(kind, 0) + 1
        return Count(self.accepted + accepted, rejected)

    @property
    def rejections(self) -> int:
        """All rejected."""
        return sum(self.rejected.values())


class Mark(msgspec.Struct, frozen=True):
    """Everything before a place is durable."""

    place: Place = Place()
    count: Count = Count()


class Bookmark:
    """The mark of one file.

    Args:
        folder: `DATA/import`.
        name: Of the file, for people who look into that folder.
        head: The file's first bytes.
        target: Where it goes: source and ClickHouse.
    """

    def __init__(self, folder: Path, name: str, head: bytes, target: str) -> None:
        key = hashlib.blake2b(head, key=hashlib.blake2b(target.encode()).digest(), digest_size=16)
        self._path = folder / f"{key.hexdigest()}.json"
        self._name = name

    def read(self) -> Mark:
        """Where to go on."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Written).mark
        except (OSError, msgspec.MsgspecError):
            return Mark()

    def write(self, mark: Mark) -> None:
        """Note that everything before the mark is durable.

        Raises:
            OSError: it cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        made = self._path.with_suffix(f".{os.getpid()}")
        made.write_bytes(msgspec.json.encode(_Written(self._name, mark)))
        made.rename(self._path)

    def remove(self) -> None:
        """Forget it."""
        self._path.unlink(missing_ok=True)


class _Written(msgspec.Struct):
    file: str
    mark: Mark
