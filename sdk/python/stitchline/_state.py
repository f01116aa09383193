"""What a device remembers between runs: its id and how far its counter went.

In: a folder. Out: an id and rising sequence numbers.
Guaranteed: files are 0600 and replaced atomically; a disk that cannot be written costs the memory, never the program.

The counter: numbers are reserved on disk in blocks before they are used, and a clean close writes the exact value.
After a crash the rest of the block is skipped: the gap is honest, since a crash may have lost events. Only one
process at a time holds a device's counter (a file lock); the others send no `seq`, rather than a false one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from threading import Lock
from typing import Final

from stitchline._ids import new_id
from stitchline._locks import open_locked, write_atomically
from stitchline._losses import warn

RESERVED_BLOCK: Final = 10_000
_MAX_ID_CHARS: Final = 200


def default_state_dir() -> str:
    """Return the per-user folder for state: XDG on Linux, Library on macOS, LOCALAPPDATA on Windows."""
    home = os.path.expanduser("~")  # noqa: PTH111 - pathlib costs 6 ms at import
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or f"{home}\\AppData\\Local"
    elif sys.platform == "darwin":
        base = f"{home}/Library/Application Support"
    else:
        base = os.environ.get("XDG_STATE_HOME") or f"{home}/.local/state"
    return os.path.join(base, "stitchline")  # noqa: PTH118


def persistent_device_id(state_dir: str) -> str:
    """Return the id of this installation, made at the first call.

    Args:
        state_dir: folder that outlives the process.

    Returns:
        A UUIDv7 text. Where the folder cannot be written it lasts as long as the process, with a warning.
    """
    path = f"{state_dir}/device_id"
    try:
        return _read_id(path) or _create_id(state_dir, path)
    except OSError as error:
        warn(
            "cannot keep the device id in %s (%s): it will change with every start; set state_dir=",
            path,
            error,
        )
        return new_id()


def _read_id(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            text = file.read(_MAX_ID_CHARS + 1).strip()
    except FileNotFoundError:
        return None
    return text if 0 < len(text) <= _MAX_ID_CHARS and text.isascii() and text.isprintable() else None


def _create_id(state_dir: str, path: str) -> str:
    """Write a new id; of two processes that start at once, both take the one that came first."""
    os.makedirs(state_dir, mode=0o700, exist_ok=True)  # noqa: PTH103
    lock = open_locked(f"{path}.lock")
    if lock is None:
        return _read_id(path) or new_id()
    try:
        existing = _read_id(path)
        if existing is None:
            existing = new_id()
            write_atomically(path, f"{existing}\n".encode())
        return existing
    finally:
        os.close(lock)


def forget_device_id(state_dir: str) -> None:
    """Remove the id, so that the next one is another; its lock file is empty and stays."""
    with contextlib.suppress(OSError):
        os.unlink(f"{state_dir}/device_id")  # noqa: PTH108


class Counter:
    """The per-device counter `seq`; 0 (nothing sent) where another process holds it.

    Args:
        state_dir: folder that outlives the process; None counts for the life of the process only.
        device_id: whose counter.
    """

    def __init__(self, state_dir: str | None, device_id: str) -> None:
        self._path = None if state_dir is None else f"{state_dir}/seq-{_file_part(device_id)}"
        self._lock_fd: int | None = None
        self._next = 1
        self._reserved = 0
        self._counts = True
        self._opened = False
        self._reserving = Lock()  # the journal's thread and the sender's

    def next(self) -> int:
        """Return the next number, from 1, or 0 when this process does not count; the caller holds a lock."""
        if not self._opened:
            self._open()
        if not self._counts:
            return 0
        number = self._next
        self._next = number + 1
        return number

    def reserve(self) -> None:
        """Reserve another block when half of the last is used; called away from the caller's thread.

        Numbers must be reserved before any of them leaves the memory, to the disk or to the collector: a process that
        is killed then never gives them again.
        """
        with self._reserving:
            if self._lock_fd is not None and self._next > self._reserved - RESERVED_BLOCK // 2:
                self._write(self._next + RESERVED_BLOCK)

    def close(self) -> None:
        """Write the exact value, so that a clean stop leaves no gap, and give the counter up."""
        with self._reserving:
            if self._lock_fd is not None:
                self._write(self._next)
            self._abandon()

    def forget(self) -> None:
        """Give the counter up and remove it."""
        with self._reserving:
            if self._lock_fd is not None:
                for path in (str(self._path), f"{self._path}.lock"):
                    with contextlib.suppress(OSError):
                        os.unlink(path)  # noqa: PTH108
            self._abandon()

    def fork(self) -> None:
        """In a forked child: leave the counter to the parent, unless the parent never used it."""
        self._reserving = Lock()
        if self._opened or self._path is None:
            self._abandon()

    def _abandon(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None
        self._counts = False
        self._opened = True

    def _open(self) -> None:
        self._opened = True
        if self._path is None:
            return
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
            self._lock_fd = open_locked(f"{self._path}.lock")
            if self._lock_fd is None:
                self._counts = False
                return
            self._next = self._read()
        except OSError as error:
            warn("cannot keep the counter in %s (%s): seq begins at 1 with every start", self._path, error)

    def _read(self) -> int:
        try:
            with open(str(self._path), encoding="ascii") as file:  # noqa: PTH123
                return max(1, int(file.read(32)))
        except (FileNotFoundError, ValueError):
            return 1

    def _write(self, value: int) -> None:
        self._reserved = value
        try:
            write_atomically(str(self._path), str(value).encode())
        except OSError as error:
            warn("cannot keep the counter in %s (%s)", self._path, error)


def _file_part(device_id: str) -> str:
    """Return the id as a file name: itself where it is plain, else its bytes as hex."""
    if device_id.replace("-", "").isalnum() and device_id.isascii() and len(device_id) <= 100:
        return device_id
    return f"x{device_id.encode(errors='replace').hex()[:180]}"
