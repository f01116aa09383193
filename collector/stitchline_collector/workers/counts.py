"""Counters that outlive kill -9 of the process that counts: in memory shared with the others.

Those of a process stand in the lock file of its spool folder, so that they are known as long as its segments are; those of
folders that are gone, and of the loader, in memory that the parent keeps.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from ..ingest import KINDS
from ..load import Loads
from ..spool import FAULTS
from ..spool.folder import LOCK
from ..spool.group import LOCK_BYTES

TABLES = ("events", "failed")
RESTARTS = tuple((process, reason) for process in ("worker", "loader") for reason in ("died", "hung"))
_STATUSES = range(100, 600)
_AT = 1  # the first number is the group's
K = TypeVar("K")


class Numbers(MutableMapping[K, int]):
    """Counters by key, in shared memory; one process writes. Only those that are not 0 are listed.

    Args:
        memory: Unsigned numbers of eight bytes.
        at: The place of the first.
        keys: All keys that there can be.
    """

    def __init__(self, memory: memoryview, at: int, keys: Sequence[K]) -> None:
        self._memory = memory
        self._places = {key: at + place for place, key in enumerate(keys)}
        self.end = at + len(keys)

    def __getitem__(self, key: K) -> int:
        return int(self._memory[self._places[key]])

    def __setitem__(self, key: K, value: int) -> None:
        self._memory[self._places[key]] = value

    def __delitem__(self, key: K) -> None:
        self[key] = 0

    def __iter__(self) -> Iterator[K]:
        return (key for key in self._places if self[key])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def move_into(self, memory: memoryview) -> None:
        """Go on in other memory, at the same places, and leave nothing behind."""
        left, self._memory = self._memory, memory
        for place in self._places.values():
            memory[place] += left[place]
            left[place] = 0

    def add(self, other: Numbers[K]) -> None:
        """Add another's counters to these."""
        for key in other:
            self[key] += other[key]


class Counts:
    """What one process counted.

    Attributes:
        rejected: Events by reason.
        replies: Requests by status.
        recovered: Rows found on disk that nobody had counted, by spool table.
        gone: Rows that left the folder, by spool table; written by the loader, as `lost`.
        lost: Rows of which nothing was left before the loader had seen them, by spool table.
        faults: Commits that the disk did not take, by reason.
        now: What is so at this moment, as 1: `unready`.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memoryview(memory).cast("Q")
        self.single: Numbers[str] = Numbers(self._memory, _AT, ("accepted", "suppressed", "commits"))
        self.recovered: Numbers[str] = Numbers(self._memory, self.single.end, TABLES)
        self.gone: Numbers[str] = Numbers(self._memory, self.recovered.end, TABLES)
        self.lost: Numbers[str] = Numbers(self._memory, self.gone.end, TABLES)
        self.rejected: Numbers[str] = Numbers(self._memory, self.lost.end, KINDS)
        self.replies: Numbers[int] = Numbers(self._memory, self.rejected.end, _STATUSES)
        self.faults: Numbers[str] = Numbers(self._memory, self.replies.end, FAULTS)
        self.now: Numbers[str] = Numbers(self._memory, self.faults.end, ("unready",))
        self._added: tuple[Numbers[Any], ...] = (
            *(self.single, self.recovered, self.gone, self.lost, self.rejected, self.replies, self.faults),
        )

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Those of the process that writes a folder.

        Raises:
            OSError: the folder is gone.
        """
        return cls(_memory_of(folder))

    @classmethod
    def homeless(cls) -> Self:
        """Those of a process as long as it has no folder, known to all that are forked from now on."""
        return cls(mmap.mmap(-1, LOCK_BYTES))

    def move_into(self, folder: Path) -> None:
        """Go on counting in a folder that was just made.

        Raises:
            OSError: the folder is gone.
        """
        memory = memoryview(_memory_of(folder)).cast("Q")
        for numbers in (*self._added, self.now):
            numbers.move_into(memory)
        self._memory = memory

    @property
    def accepted(self) -> int:
        """Events acknowledged and on disk."""
        return self.single["accepted"]

    @accepted.setter
    def accepted(self, value: int) -> None:
        self.single["accepted"] = value

    @property
    def suppressed(self) -> int:
        """Events acknowledged and not kept, because they tell of somebody erased."""
        return self.single["suppressed"]

    @suppressed.setter
    def suppressed(self, value: int) -> None:
        self.single["suppressed"] = value

    def acknowledged(self, table: str) -> int:
        """Rows of a spool table that were counted by who wrote them."""
        return self.accepted if table == "events" else sum(self.rejected.values())

    def add(self, other: Counts) -> None:
        """Add another's counters to these."""
        for mine, others in zip(self._added, other._added, strict=True):
            mine.add(others)


def _memory_of(folder: Path) -> mmap.mmap:
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    try:
        return mmap.mmap(file, LOCK_BYTES)
    finally:
        os.close(file)


class Totals(Counts):
    """What is kept while the parent lives: the counts of folders that are gone, what became of all rows, and the parent's own.

    Attributes:
        restarts: Processes started again, by which and why; written by the parent.
        before_folders: What each process counts while it has no folder: the loader, then the workers.

    Args:
        workers: How many there are.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(mmap.mmap(-1, LOCK_BYTES))  # shared with whom the parent forks
        loaded: Numbers[str] = Numbers(self._memory, self.now.end, TABLES)
        isolated: Numbers[str] = Numbers(self._memory, loaded.end, TABLES)
        damaged: Numbers[str] = Numbers(self._memory, isolated.end, TABLES)
        erased: Numbers[str] = Numbers(self._memory, damaged.end, TABLES)
        self.restarts: Numbers[tuple[str, str]] = Numbers(self._memory, erased.end, RESTARTS)
        self.before_folders = [Counts.homeless() for _ in range(workers + 1)]
        self.loads = Loads(loaded=loaded, isolated=isolated, damaged=damaged, erased=erased)
