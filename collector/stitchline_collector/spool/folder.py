"""Spool folders: one per process, locked while it lives, adopted when it is gone.

A process never continues a folder it finds: it makes its own and adopts the others, its former self's among them. So there is
one way of recovery.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import uuid
from pathlib import Path

from .frames import sound_prefix
from .segment import CORRUPT, OPEN, SEALED, SPLIT, Segment

_LOCK = "lock"
PROBE = "probe"  # written while the disk is full, to learn when it no longer is
log = logging.getLogger(__name__)


class Folder:
    """A spool folder whose lock this process holds until `release` or its end."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, spool: Path) -> Folder:
        """Make a new folder, locked from the moment others can see it.

        Raises:
            OSError: the spool cannot be written.
        """
        spool.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        hidden = spool / f".{name}"
        hidden.mkdir()
        lock = _lock(hidden)
        assert lock is not None  # noqa: S101 -- nobody else knows this folder yet
        path = spool / name
        hidden.rename(path)
        sync_directory(spool)
        return cls(path, lock)

    @classmethod
    def take_over(cls, path: Path) -> Folder | None:
        """Lock a folder whose owner is gone; None while it lives."""
        try:
            lock = _lock(path)
        except FileNotFoundError:  # its adopter has just removed it
            return None
        return None if lock is None else cls(path, lock)

    def recover(self) -> list[Segment]:
        """Make every segment sendable: cut torn tails, seal what was open, oldest first."""
        (self.path / PROBE).unlink(missing_ok=True)
        recovered = []
        for path in sorted(self.path.iterdir()):
            if path.suffix in (OPEN, SEALED, SPLIT):
                segment = recover_segment(path)
                if segment is not None:
                    recovered.append(segment)
        sync_directory(self.path)
        return recovered

    def remove_if_empty(self) -> bool:
        """Delete the folder when only the lock is left in it."""
        if any(path.name != _LOCK for path in self.path.iterdir()):
            return False
        hidden = self.path.with_name(f".{self.path.name}")
        self.path.rename(hidden)
        with contextlib.suppress(OSError):  # who was just opening the lock may have made it anew
            (hidden / _LOCK).unlink()
            hidden.rmdir()
        self.release()
        return True

    def release(self) -> None:
        """Let others adopt the folder."""
        os.close(self._lock)


def adopt(spool: Path) -> list[tuple[Folder, list[Segment]]]:
    """Take over every folder under `spool` that no process holds, with its segments ready to be sent."""
    if not spool.exists():
        return []
    adopted = []
    for path in _oldest_first(spool):
        folder = Folder.take_over(path)
        if folder is not None:
            segments = folder.recover()
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


def sync_directory(path: Path) -> None:
    """Make created and renamed files of a folder survive a power loss."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def recover_segment(path: Path) -> Segment | None:
    """Cut what cannot be read off the end of a segment; None when nothing is left of it."""
    data = path.read_bytes()
    size, rows = sound_prefix(data)
    if size < len(data):
        torn = len(data) - size
        if path.suffix == OPEN:
            # The last commit was never acknowledged: its write did not end.
            log.warning("cut a torn tail of %d bytes off %s: it was never acknowledged", torn, path)
        else:
            kept = path.with_suffix(CORRUPT)
            kept.write_bytes(data[size:])
            log.error("%s is damaged from byte %d on: kept those %d bytes as %s", path, size, torn, kept.name)
        with path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
    if rows == 0:
        path.unlink()
        return None
    segment = Segment(path, rows, size)
    return segment.renamed(SEALED) if path.suffix == OPEN else segment


def _lock(folder: Path) -> int | None:
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), (folder / _LOCK).stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):  # held, or removed since it was opened
        pass
    os.close(handle)
    return None
