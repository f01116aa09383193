"""Processes that share the work on their spool folders: some write them, one of them loads.

A folder of a group says so in its lock file, by the group's number. Guaranteed: nobody outside takes over a folder of a group
while any process of the group lives, because all of them hold the lock of one hidden file.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import struct
from pathlib import Path

_NUMBER = struct.Struct("<Q")
_PREFIX = ".group-"
LOCK_BYTES = 8192
ALONE = 0  # the group of a process that writes and loads its folder itself


def found(spool: Path) -> int:
    """Make a group of this process and of those that it will fork; returns its number.

    Raises:
        OSError: the spool cannot be written.
    """
    spool.mkdir(parents=True, exist_ok=True)
    group = secrets.randbits(63) | 1
    handle = os.open(_file(spool, group), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)  # never closed: held until the last of them has ended
    return group


def disband(spool: Path, group: int) -> None:
    """Remove what is left of a group whose processes have ended."""
    _file(spool, group).unlink(missing_ok=True)


def others_live(spool: Path, own: int) -> bool:
    """Whether a process of another group lives."""
    names = [path.name.removeprefix(_PREFIX) for path in spool.glob(f"{_PREFIX}*")]
    return any(int(name, 16) != own and lives(spool, int(name, 16)) for name in names)


def lives(spool: Path, group: int) -> bool:
    """Whether a process of a group lives; what is left of one that does not is removed."""
    try:
        handle = os.open(_file(spool, group), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    disband(spool, group)
    return False


def mark(lock: int, group: int) -> None:
    """Say in the lock file of a folder whose it is, and make room in it for the counts of its process.

    Raises:
        OSError: the disk does not take it; the folder is nobody's.
    """
    # Written, not only made longer: a page without a place on a full disk would kill who counts there. Nearly full, it takes a
    # part and says so by the number of bytes alone; so the group comes last.
    written = 0
    while written < LOCK_BYTES:
        written += os.pwrite(lock, bytes(LOCK_BYTES - written), written)
    os.pwrite(lock, _NUMBER.pack(group), 0)


def take(lock: Path, group: int) -> None:
    """Make a group the owner of a folder that another left; what was counted there is forgotten.

    Raises:
        OSError: as `mark`.
    """
    with lock.open("r+b") as file:
        mark(file.fileno(), group)


def group_of(lock: Path) -> int:
    """The group of a folder, from its lock file; `ALONE` for none."""
    with lock.open("rb") as file:
        text = file.read(_NUMBER.size)
    return int(_NUMBER.unpack(text)[0]) if len(text) == _NUMBER.size else ALONE


def _file(spool: Path, group: int) -> Path:
    return spool / f"{_PREFIX}{group:016x}"
