"""A file lock that ends with its holder, also after kill -9.

In: an open file descriptor. Out: whether this process holds the lock now. A forked child that closes its copy of the
descriptor leaves the parent's lock alone (flock, unlike POSIX record locks, belongs to the open file).
"""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import msvcrt

    def try_lock(fd: int) -> bool:
        """Take the lock if nobody has it."""
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(fd: int) -> bool:
        """Take the lock if nobody has it."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def open_locked(path: str) -> int | None:
    """Open a file (0600) and lock it.

    Returns:
        The descriptor that holds the lock, or None when another process has it.

    Raises:
        OSError: the file cannot be opened.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    if try_lock(fd):
        return fd
    os.close(fd)
    return None


def write_atomically(path: str, data: bytes) -> None:
    """Write a small file (0600) that after a power loss holds either the old bytes or the new.

    Raises:
        OSError: the disk refuses.
    """
    temporary = f"{path}.{os.getpid()}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, path)  # noqa: PTH105
    sync_folder(os.path.dirname(path))  # noqa: PTH120 - pathlib costs 6 ms at import


def sync_folder(path: str) -> None:
    """Make a folder's entries durable; a no-op where folders cannot be opened (Windows)."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
