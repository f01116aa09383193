"""Spool folders: one per process, locked while it lives, adopted when it is gone.

A process never continues a folder it finds: it makes its own and adopts the others, its former self's among them. So there is
one way of recovery.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Container
from pathlib import Path

from ..logs import Log
from .frames import FRAME_BEGINS, count_lines, frames
from .group import ALONE, group_of, lives, mark
from .segment import CORRUPT, OPEN, SEALED, SPLIT, Segment, token_of

LOCK = "lock"
MENDING = "mending"  # what is sound of a damaged segment, until it takes its place
NOT_MENDED = -1  # no segment's size, so that the loader finds it damaged
PROBE = "probe"  # written while the disk is full, to learn when it no longer is
log = Log(__name__)


class Folder:
    """A spool folder whose lock this process holds until `release` or its end.

    Attributes:
        path: Where it is.
        damages: Segments found damaged by `recover`.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.damages = 0
        self._lock = lock

    @classmethod
    def create(cls, spool: Path, group: int = ALONE) -> Folder:
        """Make a new folder, locked from the moment others can see it.

        Args:
            spool: The folder of all folders.
            group: Whose process writes it.

        Raises:
            OSError: the spool cannot be written.
        """
        spool.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        hidden = spool / f".{name}"
        hidden.mkdir()
        lock = None
        try:
            lock = _lock(hidden)
            assert lock is not None  # noqa: S101 -- nobody else knows this folder yet
            if group != ALONE:
                mark(lock, group)
            path = spool / name
            hidden.rename(path)
            sync_directory(spool)
        except OSError:
            if lock is not None:
                os.close(lock)
            shutil.rmtree(hidden, ignore_errors=True)  # tried again, it would be there each time
            raise
        return cls(path, lock)

    @classmethod
    def take_over(cls, path: Path) -> Folder | None:
        """Lock a folder whose owner is gone; None while it lives."""
        try:
            lock = _lock(path)
        except FileNotFoundError:  # its adopter has just removed it
            return None
        return None if lock is None else cls(path, lock)

    def recover(self, known: Container[str] = ()) -> list[Segment]:
        """Make every segment sendable: cut torn tails, seal what was open, oldest first.

        Args:
            known: Tokens of segments that are on their way already, and are left alone.
        """
        for left in (PROBE, MENDING):
            (self.path / left).unlink(missing_ok=True)
        recovered = []
        for path in sorted(self.path.iterdir()):
            if path.suffix in (OPEN, SEALED, SPLIT) and token_of(path) not in known:
                segment = _recover(path, self._count_damage)
                if segment is not None:
                    recovered.append(segment)
        sync_directory(self.path)
        return recovered

    def _count_damage(self) -> None:
        self.damages += 1

    def remove_if_empty(self) -> bool:
        """Delete the folder when only the lock is left in it."""
        if any(path.name != LOCK for path in self.path.iterdir()):
            return False
        hidden = self.path.with_name(f".{self.path.name}")
        self.path.rename(hidden)
        with contextlib.suppress(OSError):  # who was just opening the lock may have made it anew
            (hidden / LOCK).unlink()
            hidden.rmdir()
        self.release()
        return True

    def release(self) -> None:
        """Let others adopt the folder."""
        os.close(self._lock)


def adopt(spool: Path, group: int = ALONE, known: Container[str] = ()) -> list[tuple[Folder, list[Segment]]]:
    """Take over every folder under `spool` that no process holds, with its segments ready to be sent.

    Args:
        spool: The folder of all folders.
        group: Of this process; those of another group that lives are left to it.
        known: Tokens of segments that are on their way already, and are left out.
    """
    if not spool.exists():
        return []
    adopted = []
    for path in _oldest_first(spool):
        folder = Folder.take_over(path)
        if folder is not None:
            owner = group_of(path / LOCK)
            if owner not in (ALONE, group) and lives(spool, owner):
                folder.release()
                continue
            segments = folder.recover(known)
            if segments or not folder.remove_if_empty():
                adopted.append((folder, segments))
    return adopted


def _oldest_first(spool: Path) -> list[Path]:
    """The folders others can see; hidden ones are being made."""
    found = []
    for path in spool.iterdir():
        with contextlib.suppress(FileNotFoundError):  # its adopter has just removed it
            if path.is_dir() and not path.name.startswith("."):
                found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]


def sealed_segments(
    path: Path, known: Container[str], on_damage: Callable[[], None] = lambda: None
) -> list[Segment]:
    """The segments of a folder that its process has finished, oldest first, but for those on their way already."""
    found = []
    for file in sorted(path.iterdir()):
        if file.suffix in (SEALED, SPLIT) and token_of(file) not in known:
            segment = _recover(file, on_damage)
            if segment is not None:
                found.append(segment)
    return found


def size_on_disk(spool: Path) -> int:
    """Bytes of all segments of all folders."""
    size = 0
    for path in spool.glob("[!.]*/*-*.*"):
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _recover(path: Path, on_damage: Callable[[], None]) -> Segment | None:
    try:
        return recover_segment(path, on_damage)
    except FileNotFoundError:  # loaded meanwhile, and no longer known
        return None
    except OSError as error:
        # A full disk, most likely: what can be loaded makes space, and the loader comes back to this one.
        log.error(  # noqa: TRY400
            "cannot mend %(segment)s now: %(error)s", event="segment_not_mended", segment=path, error=error
        )
        rows = sum(count_lines(part) or 0 for part in frames(path.read_bytes()))
        return Segment(path, rows, NOT_MENDED)


def sync_directory(path: Path) -> None:
    """Make created and renamed files of a folder survive a power loss."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def recover_segment(path: Path, on_damage: Callable[[], None] = lambda: None) -> Segment | None:
    """Take out of a segment what cannot be read; None when nothing is left of it.

    The torn end of a segment that was being written was never acknowledged and is cut. Anything else is damage: a frame that
    was whole once, or, at the end of a segment that was being written, may have been. It is kept beside the segment, as
    `.corrupt`, and the frames behind it stay.

    Args:
        path: The segment, `.open`, `.sealed` or `.split`.
        on_damage: Called when it is damaged.

    Raises:
        OSError: the disk does not take the damaged part; the segment is as it was.
    """
    data = path.read_bytes()
    sound: list[memoryview] = []
    damaged: list[memoryview] = []
    rows = place = 0
    for part in frames(data):
        place += len(part)
        count = count_lines(part)
        if count is None:
            damaged.append(part)
        else:
            sound.append(part)
            rows += count
    torn = len(data) - place
    # A commit that did not end is the last one: where another begins behind it, it had ended.
    if torn and (path.suffix != OPEN or data.find(FRAME_BEGINS, place + 1) >= 0):
        damaged.append(memoryview(data)[place:])
    if damaged:
        _keep_damaged(path, damaged)
        on_damage()
        _rewrite(path, sound)
    elif torn:
        log.warning(
            "cut a torn tail of %(torn_bytes)d bytes off %(segment)s: it was never acknowledged",
            event="torn_tail_cut",
            torn_bytes=torn,
            segment=path,
        )
        _truncate(path, place)
    if rows == 0:
        path.unlink()
        return None
    segment = Segment(path, rows, path.stat().st_size)
    return segment.renamed(SEALED) if path.suffix == OPEN else segment


def _keep_damaged(path: Path, damaged: list[memoryview]) -> None:
    kept = path.with_suffix(CORRUPT)
    size = sum(len(part) for part in damaged)
    before = kept.stat().st_size if kept.exists() else 0
    try:
        with kept.open("ab") as file:
            file.writelines(damaged)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            os.truncate(kept, before) if before else kept.unlink()
        raise
    log.error(
        "%(segment)s is damaged: kept the %(damaged_bytes)d bytes that cannot be read as %(kept)s",
        event="segment_damaged",
        segment=path,
        damaged_bytes=size,
        kept=kept.name,
    )


def _rewrite(path: Path, sound: list[memoryview]) -> None:
    """Leave only these frames in a segment."""
    whole = path.with_name(MENDING)
    try:
        with whole.open("wb") as file:
            file.writelines(sound)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            whole.unlink()
        raise
    whole.rename(path)
    sync_directory(path.parent)


def _truncate(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def _lock(folder: Path) -> int | None:
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), (folder / LOCK).stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):  # held, or removed since it was opened
        pass
    os.close(handle)
    return None
