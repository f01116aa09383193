"""Group commit: many requests, one write and one fdatasync.

While one commit is on its way to the disk, the requests that arrive meanwhile gather for the next. All methods but `_write` and
what it calls run on the event loop; those run on one thread of their own, so no file is touched by two threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections import Counter
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from ..logs import Log
from ..receive import NotDurable
from .folder import PROBE, Folder, sync_directory
from .frames import frame
from .segment import SEALED, Segment, segment_path

PROBE_EVERY_S = 1.0
MOST_WAITING_BYTES = (
    256 * 1024 * 1024
)  # of lines, uncompressed: seconds of traffic; then the disk stands still
_PROBE_BYTES = 64 * 1024
_FAULTS = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full",  # `ulimit -f`
    errno.EROFS: "read_only",
}
FAULTS = ("disk_full", "read_only", "io_error")
_LARGEST_RATIO = 16  # of inflated to compressed bytes; usual rows have 5
log = Log(__name__)


class SpoolUnavailable(NotDurable):
    """The spool cannot take more now; nothing of the append was acknowledged. The sender should retry."""


class SpoolFull(SpoolUnavailable):
    """The bytes waiting for ClickHouse have reached `max_spool_bytes`."""


class SpoolClosed(SpoolUnavailable):
    """The collector is stopping."""


class Seal(msgspec.Struct, frozen=True):
    """When an open segment is sealed: whichever comes first."""

    age_s: float = 0.5
    rows: int = 100_000
    size_bytes: int = 16 * 1024 * 1024


class _Open:
    """The segment of one table that is being written."""

    def __init__(self, path: Path, now: float) -> None:
        self.path = path
        self.opened_at = now
        self.rows = 0
        self.size = 0
        self.inflated = 0
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


_Waiting = list[tuple[bytes, int, asyncio.Future[None]]]


class Spool:
    """The spool folder of this process.

    Args:
        folder: The locked folder to write; or what makes it, called again until the disk has space for it.
        seal: When segments are sealed.
        max_bytes: Bytes on disk, sent and unsent, above which `append` refuses.
        on_sealed: Told of each sealed segment, on the writer's thread.
        backlog: Sealed segments not loaded yet; when there are several, segments are sealed later and so grow.
        faults: Where commits that failed are counted, by reason; None is here.
    """

    def __init__(
        self,
        folder: Folder | Callable[[], Folder],
        seal: Seal,
        max_bytes: int,
        on_sealed: Callable[[Segment], None],
        backlog: Callable[[], int] = lambda: 0,
        faults: MutableMapping[str, int] | None = None,
    ) -> None:
        self._folder = folder
        self._seal = seal
        self.max_bytes = max_bytes
        self._on_sealed = on_sealed
        self._backlog = backlog
        self._waiting: dict[str, _Waiting] = {}
        self._waiting_bytes = 0  # gathered for the next commit, and in the one under way
        self._open: dict[str, _Open] = {}
        self._number = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.commits = 0
        # Each is added to by one thread only, because += is not atomic: the writer's, the adopter's, the loader's.
        self._written = self._adopted = self._freed = 0
        self.fault: OSError | None = None  # why the last commit failed, None when it did not
        # Commits that failed, by reason; written by the writer's thread only.
        self.faults: MutableMapping[str, int] = Counter() if faults is None else faults
        self._full_told = False

    def start(self) -> None:
        """Begin to commit; call on the event loop.

        Raises:
            OSError: the folder cannot be made, and not because the disk is full: that passes.
        """
        try:
            self._open_folder()
        except OSError as error:
            if _reason(error) != "disk_full":
                raise
            self._note(error)
        self._task = asyncio.create_task(self._run(), name="spool")

    @property
    def size_bytes(self) -> int:
        """Bytes on disk now, in every folder this process owns or has adopted."""
        return self._written + self._adopted - self._freed

    @property
    def is_full(self) -> bool:
        """Whether `append` would refuse."""
        return self.size_bytes >= self.max_bytes

    def check(self) -> None:
        """Raise what `append` would, before any work is done.

        Raises:
            SpoolFull: too much is waiting for ClickHouse.
            SpoolClosed: the collector is stopping.
            SpoolUnavailable: too much waits for the disk.
        """
        if self._closing:
            raise SpoolClosed("the collector is stopping")
        if self.is_full:
            why = f"{self.size_bytes:,} bytes wait for ClickHouse, at most {self.max_bytes:,} may"
            if not self._full_told:
                log.error(
                    "the spool is full, answering 503: %(size_bytes)d bytes wait for ClickHouse, at most %(max_bytes)d may",
                    event="spool_full",
                    size_bytes=self.size_bytes,
                    max_bytes=self.max_bytes,
                )
            self._full_told = True
            raise SpoolFull(why)
        if self._waiting_bytes >= MOST_WAITING_BYTES:
            raise SpoolUnavailable("the disk is slower than what comes")
        if self._full_told:
            log.info("the spool has room again", event="spool_has_room")
            self._full_told = False

    def append(self, table: str, lines: bytes, rows: int) -> asyncio.Future[None]:
        """Write lines; the future is done when they are on disk.

        Args:
            table: `events` or `failed`.
            lines: Complete lines.
            rows: How many.

        Returns:
            A future that raises `SpoolUnavailable` if the write failed.

        Raises:
            SpoolFull: too much is waiting for ClickHouse.
            SpoolClosed: the collector is stopping.
            SpoolUnavailable: too much waits for the disk.
        """
        self.check()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(table, []).append((lines, rows, done))
        self._waiting_bytes += len(lines)
        self._wake.set()
        return done

    def open_rows(self, table: str) -> int:
        """Rows of a table on disk in the segment being written."""
        segment = self._open.get(table)
        return segment.rows if segment else 0

    def adopted(self, segments: list[Segment]) -> None:
        """Count the segments of an adopted folder; call from one thread at a time."""
        self._adopted += sum(segment.size for segment in segments)

    def measured(self, on_disk: Callable[[], int]) -> None:
        """Correct the size where other processes write and free, too; from one thread at a time.

        Args:
            on_disk: Bytes of all segments now. What is written meanwhile counts twice until the next time: rather too full.
        """
        written, freed = self._written, self._freed
        self._adopted = on_disk() - written + freed

    def freed(self, size: int) -> None:
        """Take note that bytes left the disk; call on the loader's thread."""
        self._freed += size

    async def close(self) -> None:
        """Commit what was appended, seal everything and end."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing or self._waiting:
            pause_s = self._longest_pause_s()
            if pause_s is not None and self._timer is None:
                self._timer = loop.call_later(pause_s, self._tick)
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            outcome = await loop.run_in_executor(self._thread, self._commit, waiting)
            self._waiting_bytes -= sum(len(lines) for group in waiting.values() for lines, _, _ in group)
            for table, group in waiting.items():
                _settle(group, outcome.get(table))
        if self._timer is not None:
            self._timer.cancel()
        await loop.run_in_executor(self._thread, self._seal_due, True)

    def _tick(self) -> None:
        # Noted here, not read from the timer: loops fire a little before `when()`, by their own clock's resolution.
        self._timer = None
        self._wake.set()

    def _longest_pause_s(self) -> float | None:
        if self.fault is not None:
            return PROBE_EVERY_S
        return self._seal.age_s / 4 if self._open else None

    def _commit(self, waiting: dict[str, _Waiting]) -> dict[str, SpoolUnavailable]:
        """Write each table's lines; returns why, for those that could not be."""
        failed = {}
        for table, group in waiting.items():
            try:
                self._write(
                    table, b"".join(lines for lines, _, _ in group), sum(rows for _, rows, _ in group)
                )
                self._mended()
            except OSError as error:
                self._note(error)
                failed[table] = SpoolUnavailable(f"the spool cannot be written: {error.strerror}")
        if self.fault is not None and not waiting:
            self._probe()
        self._seal_due()
        return failed

    def _probe(self) -> None:
        """Try the disk again: nobody sends to a collector that is not ready, so no request would find out."""
        try:
            path = self._open_folder().path / PROBE
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _write_all(file, bytes(_PROBE_BYTES))
                os.fdatasync(file)
            finally:
                os.close(file)
                path.unlink()
        except OSError as error:
            self.fault = error
        else:
            self._mended()

    def _note(self, error: OSError) -> None:
        self.faults[_reason(error)] += 1
        if self.fault is None:
            log.error(
                "the spool cannot be written, answering 503: %(error)s",
                event="spool_unwritable",
                reason=_reason(error),
                error=error,
            )
        self.fault = error

    def _mended(self) -> None:
        if self.fault is not None:
            log.info("the spool can be written again", event="spool_writable")
            self.fault = None

    def _open_folder(self) -> Folder:
        if not isinstance(self._folder, Folder):
            self._folder = self._folder()
        return self._folder

    def remove_folder_if_empty(self) -> None:
        """Leave nothing behind when everything is loaded; call when all is closed."""
        if isinstance(self._folder, Folder):
            self._folder.remove_if_empty()

    def _write(self, table: str, lines: bytes, rows: int) -> None:
        data = frame(lines)
        try:
            segment = self._open.get(table) or self._new_segment(table)
            _write_all(segment.file, data)
            os.fdatasync(segment.file)
        except OSError:
            # Whatever of the frame reached the disk must not stand before the next one.
            self._abandon(table)
            raise
        segment.size += len(data)
        segment.inflated += len(lines)
        segment.rows += rows
        self._written += len(data)
        self.commits += 1

    def _new_segment(self, table: str) -> _Open:
        folder = self._open_folder().path
        self._number += 1
        segment = _Open(segment_path(folder, self._number, table), time.monotonic())
        self._open[table] = segment
        sync_directory(folder)
        return segment

    def _abandon(self, table: str) -> None:
        """Seal a segment at its last commit: after a failed fsync the file is not to be trusted further."""
        segment = self._open.get(table)
        if segment is None:
            return
        # Where even this fails, the loader finds the torn tail and cuts it.
        with contextlib.suppress(OSError):
            os.ftruncate(segment.file, segment.size)
        self._finish(table, segment)

    def _seal_due(self, all_of_them: bool = False) -> None:  # noqa: FBT001, FBT002
        now = time.monotonic()
        # Behind: fewer, larger inserts catch up faster.
        age_s = self._seal.age_s * (10 if self._backlog() > 4 else 1)
        for table, segment in list(self._open.items()):
            if (
                all_of_them
                or segment.rows >= self._seal.rows
                or segment.size >= self._seal.size_bytes
                # ClickHouse holds the inflated rows of an insert in memory.
                or segment.inflated >= self._seal.size_bytes * _LARGEST_RATIO
                or now - segment.opened_at >= age_s
            ):
                self._finish(table, segment)

    def _finish(self, table: str, segment: _Open) -> None:
        with contextlib.suppress(OSError):  # every commit of it is synced already
            os.close(segment.file)
        if segment.rows == 0:
            with contextlib.suppress(OSError):  # found empty and removed by whoever adopts the folder
                segment.path.unlink()
        else:
            self._on_sealed(_sealed(segment))
        del self._open[table]  # last: rows that are counted nowhere for a moment would seem to be loaded


def _sealed(segment: _Open) -> Segment:
    sealed = Segment(segment.path, segment.rows, segment.size)
    try:
        return sealed.renamed(SEALED)
    except OSError as error:  # a file system gone read-only: what is acknowledged can still be read and sent
        log.error(  # noqa: TRY400
            "cannot rename %(segment)s: %(error)s",
            event="segment_not_renamed",
            segment=segment.path,
            error=error,
        )
        return sealed


def _reason(error: OSError) -> str:
    """What is wrong with the disk in one of a few words."""
    return _FAULTS.get(error.errno or 0, "io_error")


def _settle(group: _Waiting, failure: SpoolUnavailable | None) -> None:
    for _, _, done in group:
        if done.cancelled():
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)


def _write_all(file: int, data: bytes) -> None:
    written = os.write(file, data)
    while written < len(data):
        written += os.write(file, data[written:])
