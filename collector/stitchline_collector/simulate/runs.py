"""Sorting more than memory holds: sorted runs on disk, merged.

Enters: lines of bytes, in runs. Leaves: all lines in order. Guaranteed: no more than one run is in memory, and no more than
`FAN_IN` files are open. Temporary files are compressed, in a folder that the caller removes.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FAN_IN = 64


class Runs:
    """Sorted runs in a folder.

    Args:
        folder: empty; it is filled with files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._levels: list[list[Path]] = [[]]
        self._written = 0

    def add(self, lines: list[bytes]) -> None:
        """Write one run: lines that each end with a line end; they are sorted here."""
        lines.sort()
        self._keep(0, lines)

    def merged(self) -> Iterator[bytes]:
        """All lines of all runs in order, once."""
        yield from _merged([path for level in self._levels for path in level])

    def _keep(self, level: int, lines: Iterable[bytes]) -> None:
        """Write a run, and merge its level into one run of the next when it is full."""
        self._written += 1
        path = self._folder / f"{self._written:08d}"
        with zstd.open(path, "wb", level=1) as file:
            file.writelines(lines)
        if level == len(self._levels):
            self._levels.append([])
        runs = self._levels[level]
        runs.append(path)
        if len(runs) == FAN_IN:
            self._levels[level] = []
            self._keep(level + 1, _merged(runs))
            for run in runs:
                run.unlink()


def _merged(paths: list[Path]) -> Iterator[bytes]:
    with ExitStack() as files:
        yield from heapq.merge(*(files.enter_context(zstd.open(path, "rb")) for path in paths))
