"""The keys that `stitchline keys` makes: one file in the data folder, read again whenever it changes.

Enters: what an operator wants. Leaves: keys, shown once, and their hashes on disk. Guaranteed: the file is replaced as a whole,
so a collector never sees half of it, and two commands at a time do not undo each other.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from .keys import Key, KeyKind, PageOrigin, digest

NAME = "keys.json"
_SECRET_BYTES = 32
_ID_LETTERS = 12


class StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key as it is kept.

    Attributes:
        id: Names it without telling it; the beginning of its hash.
        sha256: Of the key, in hexadecimal.
        kind, source, max_events_per_s, origins: as of a configured `Key`.
        created_at: When.
        revoked_at: Since when it is refused; None while it holds.
    """

    id: str
    sha256: str
    kind: KeyKind
    created_at: dt.datetime
    source: str = ""
    max_events_per_s: int = 0
    origins: tuple[PageOrigin, ...] = ()
    revoked_at: dt.datetime | None = None

    def terms(self) -> Key:
        """What it may do, as of a configured key; without the secret, which nobody knows."""
        return Key("", self.kind, self.source, self.max_events_per_s, self.origins)


def in_force(keys: Iterable[StoredKey]) -> list[tuple[bytes, Key]]:
    """The keys that are not revoked, by their hashes."""
    return [(bytes.fromhex(key.sha256), key.terms()) for key in keys if key.revoked_at is None]


class KeyFileError(ValueError):
    """The file cannot be understood."""


_decoder = msgspec.json.Decoder(tuple[StoredKey, ...])
State = tuple[int, int, int] | None


class KeyFile:
    """The file of a data folder.

    Args:
        data: The data folder.
    """

    def __init__(self, data: Path) -> None:
        self.path = data / NAME

    def state(self) -> State:
        """Something that differs whenever the file does; None while there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self) -> tuple[StoredKey, ...] | None:
        """All keys, revoked ones too; None when none was ever made.

        Raises:
            KeyFileError: it holds something else.
            OSError: it cannot be read.
        """
        try:
            return _decoder.decode(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{self.path}: {error}") from None

    def create(
        self, kind: KeyKind, source: str = "", max_events_per_s: int = 0, origins: Sequence[str] = ()
    ) -> tuple[str, StoredKey]:
        """Make a key.

        Returns:
            The key itself, which is kept nowhere, and what is kept of it.

        Raises:
            KeyFileError, OSError: the file cannot be read or written.
        """
        key = f"{kind}-{secrets.token_urlsafe(_SECRET_BYTES)}"
        sha256 = digest(key).hex()
        made = StoredKey(
            id=sha256[:_ID_LETTERS],
            sha256=sha256,
            kind=kind,
            created_at=_now(),
            source=source,
            max_events_per_s=max_events_per_s,
            origins=tuple(origins),
        )
        with self._alone():
            self._write((*(self.read() or ()), made))
        return key, made

    def revoke(self, key_id: str) -> StoredKey | None:
        """Refuse a key from now on; returns it, None when there is none of this id.

        Raises:
            KeyFileError, OSError: the file cannot be read or written.
        """
        with self._alone():
            keys = self.read() or ()
            found = next((key for key in keys if key.id == key_id), None)
            if found is None or found.revoked_at is not None:
                return found
            revoked = msgspec.structs.replace(found, revoked_at=_now())
            self._write(tuple(revoked if key is found else key for key in keys))
        return revoked

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, keys: tuple[StoredKey, ...]) -> None:
        made = self.path.with_suffix(".new")
        with made.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(msgspec.json.format(msgspec.json.encode(keys)))
            file.flush()
            os.fsync(file.fileno())
        if os.geteuid() == 0:  # made by root for a collector that runs as somebody else
            owner = self.path.parent.stat()
            os.chown(made, owner.st_uid, owner.st_gid)
        made.replace(self.path)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)
