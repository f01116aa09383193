"""Rows -> the spool -> ClickHouse, for a process that serves nobody.

Enters: encoded rows. Leaves: futures that are done when they are on disk, and sealed segments, which this process loads itself.

With the embedded engine only one process can open ClickHouse. Where a collector has it, segments are left to that collector
instead: it adopts a spool folder as soon as nobody holds its lock. So the import lets a folder go when it has grown, and at the
end, and goes on in a new one. Both ways are the spool's own; nothing else passes between the processes.

Guaranteed: where half of `max_spool_bytes` waits on disk for ClickHouse, in whatever folders, the import waits too, so that a
collector beside it has room for what arrives now.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..engine import Engine, EngineBusy, ReadLimits
from ..intake import MAY_BE_ON_ITS_WAY
from ..load import Loader
from ..settings import Settings
from ..spool import Folder, Segment, Spool, SpoolFull, adopt
from ..spool.writer import Seal
from ..suppression.suppressions import Suppressions
from ..warehouse import Warehouse

SHARE = 2  # of max_spool_bytes, one part is the import's
FOLDERS = 8  # so many fill the share, when they are left to a collector
LOOK_EVERY_S = 0.25  # at the bytes on disk, or
LOOKS = 64  # whenever one part in so many of the share was added
# Inserts at once, one for each core: history need not arrive in order. Measured on two cores with the embedded engine, in turn:
# 27,800 and 31,800 rows/s with one, 34,200 and 39,900 with two.
MOST_LOADERS = 4


class NobodyLoads(RuntimeError):
    """The embedded engine is taken by a process that will not load what this one leaves."""


class Outlet:
    """Where an import's rows go.

    Args:
        settings: The collector's.
        suppressions: Who was erased; None is nobody.
        also: What to do once ClickHouse is open, before anything is loaded.
    """

    def __init__(
        self,
        settings: Settings,
        suppressions: Suppressions | None = None,
        also: Callable[[Engine], None] = lambda _: None,
    ) -> None:
        self._path = settings.data_path / "spool"
        self._seal = Seal(settings.seal_age_s, settings.seal_rows, settings.seal_bytes)
        self._share_bytes = max(1, settings.max_spool_bytes // SHARE)
        self._warehouse = Warehouse(settings.dsn, ReadLimits(), also=also)
        self._loaders = [
            Loader(self._warehouse.session, self._on_gone, suppressions=suppressions)
            for _ in range(_loaders())
        ]
        self._freeing = threading.Lock()
        self._folder: Folder | None = None
        self._adopted: dict[Path, Folder] = {}
        self._has_room = True
        self._look_at = 0.0
        self._look_bytes = 0
        self.loads_itself = True

    async def open(self) -> None:
        """Open ClickHouse, or find the collector that has it, and begin to take rows.

        Raises:
            NobodyLoads: neither is possible.
            ValueError, EngineError, MigrationEdited: ClickHouse cannot be used with these settings.
            OSError: the data folder cannot be written.
        """
        try:
            await asyncio.to_thread(self._warehouse.open)
        except EngineBusy as error:
            if not _somebody_lives(self._path):
                raise NobodyLoads(
                    f"{error}\nIt does not use the data folder {self._path.parent}: give --data as it does, so that it finds "
                    "what is imported, or stop it"
                ) from error
            self.loads_itself = False
        self._begin()
        if self.loads_itself:
            self.adopt()
            for loader in self._loaders:
                loader.start()

    @property
    def waiting_segments(self) -> int:
        """Segments that this process has still to load."""
        return sum(loader.backlog for loader in self._loaders)

    @property
    def waiting_rows(self) -> int:
        """Rows in them."""
        return sum(loader.waiting_rows(table) for loader in self._loaders for table in ("events", "failed"))

    @property
    def loading_fault(self) -> str:
        """Why the last attempt to load failed, empty when it did not."""
        return next((loader.loads.fault for loader in self._loaders if loader.loads.fault), "")

    @property
    def isolated(self) -> int:
        """Events that ClickHouse refused, now in `failed_events`."""
        return sum(loader.loads.isolated["events"] for loader in self._loaders)

    async def room(self) -> bool:
        """Whether more may be appended now."""
        if not self.loads_itself and self._spool.size_bytes >= self._share_bytes // FOLDERS:
            await self._let_go()
            self._begin()
        due = not self._has_room or time.monotonic() >= self._look_at
        if due or self._spool.size_bytes >= self._look_bytes:
            self._look()
        return self._has_room

    def _look(self) -> None:
        """Add up what is on disk."""
        self._has_room = sum(_sizes(self._path)) < self._share_bytes
        self._look_at = time.monotonic() + LOOK_EVERY_S
        self._look_bytes = self._spool.size_bytes + self._share_bytes // LOOKS

    def adopt(self) -> None:
        """Load also what a collector or another import has left."""
        for folder, segments in adopt(self._path):
            self._adopted[folder.path] = folder
            self._spool.adopted(segments)
            for place, segment in enumerate(segments):
                doubtful = place < MAY_BE_ON_ITS_WAY or folder.damages > 0
                self._submit(segment, sent_before=doubtful)

    def append(self, table: str, lines: bytes, rows: int) -> asyncio.Future[None] | None:
        """Begin to store rows; None when the spool is full.

        Returns:
            A future that raises `SpoolUnavailable` if the disk cannot be written.
        """
        try:
            return self._spool.append(table, lines, rows)
        except SpoolFull:
            return None

    async def seal(self) -> None:
        """Make everything durable and ready to be loaded; nothing can be appended any more."""
        await self._spool.close()

    async def close(self, within_s: float) -> None:
        """Load for at most so long, and end; whoever runs next on this data folder loads what is left."""
        if self._folder is not None:
            await self._spool.close()
        if self.loads_itself:
            await asyncio.gather(*[asyncio.to_thread(loader.stop, within_s) for loader in self._loaders])
        for folder in (self._folder, *self._adopted.values()):
            if folder is not None and not folder.remove_if_empty():
                folder.release()
        await asyncio.to_thread(self._warehouse.close)

    def _begin(self) -> None:
        """Begin a folder."""
        self._folder = Folder.create(self._path)
        on_sealed = self._submit if self.loads_itself else _leave
        self._spool = Spool(
            self._folder, self._seal, self._share_bytes, on_sealed, lambda: self.waiting_segments
        )
        self._spool.start()
        self._look_at = 0.0

    async def _let_go(self) -> None:
        """Leave the folder to whoever adopts it."""
        folder, self._folder = self._folder, None
        await self._spool.close()
        if folder is not None and not folder.remove_if_empty():
            folder.release()

    def _submit(self, segment: Segment, *, sent_before: bool = False) -> None:
        least_busy = min(self._loaders, key=lambda loader: loader.backlog)
        least_busy.submit(segment, sent_before=sent_before)

    def _on_gone(self, segment: Segment) -> None:
        """A segment left the disk (called on the loaders' threads)."""
        with self._freeing:
            self._spool.freed(segment.size)
            folder = self._adopted.get(segment.path.parent)
            if folder is not None and folder.remove_if_empty():
                del self._adopted[segment.path.parent]


def _loaders() -> int:
    return min(MOST_LOADERS, os.cpu_count() or 1)


def _leave(_segment: Segment) -> None:
    """Nothing to be done: the segment's folder is adopted as a whole."""


def _somebody_lives(spool: Path) -> bool:
    """Whether a process holds one of the folders."""
    if not spool.exists():
        return False
    for path in spool.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            folder = Folder.take_over(path)
            if folder is None:
                return True
            folder.release()
    return False


def _sizes(spool: Path) -> Iterator[int]:
    """Bytes of each file that waits, in whatever process's folder."""
    for path in spool.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):  # loaded meanwhile
            yield path.stat().st_size
