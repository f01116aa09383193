"""Who was erased and is not to come back: keyed hashes in a file of the data folder, known to every process that takes events.

Enters: identifiers that were erased; events on their way. Leaves: whether an event tells of somebody erased. Guaranteed: a change
holds for the next event of every process of the data folder, because all of them look at one number in shared memory before each;
while nobody was erased that look is all it costs. The file tells nothing without the key.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import mmap
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ..enrich.privacy import ANALYTICS, CONSENT
from ..logs import Log
from ..rows import Row
from ..wire import Device
from .named import SESSION, Pair, Stored, named, pairs_of, pairs_of_line, raw_of_line, session_value

NAME = "suppressed.json"
_ANY = "*"  # a value under whatever name, for what could not be decoded
_DIGEST_BYTES = 16
_NUMBER_BYTES = 8
# What was written so long after the last change may still have been read before it, by a process that was slow to write.
SETTLED_S = 60.0
_MOST_DEVICES = (
    100_000  # that withdrew by themselves; the oldest go: whoever has a public key can make such devices
)

log = Log(__name__)


class Erased(msgspec.Struct, frozen=True, omit_defaults=True):
    """Those who were erased together.

    Attributes:
        id: of the erasure.
        at: when.
        hashes: of their identifiers, devices and sessions, in hexadecimal.
        withdrawn_at: when they took their consent back, by which they were erased: a later yes takes them in again. None: somebody
            asked for it, and must say so again.
        by_server: a server's key said so, and only such a one may say yes.
        is_back: they are taken again, which other data folders are still to be told.
    """

    id: str
    at: dt.datetime
    hashes: tuple[str, ...]
    withdrawn_at: dt.datetime | None = None
    by_server: bool = False
    is_back: bool = False


class Withdrawn(msgspec.Struct, frozen=True):
    """Somebody who is erased because of an event.

    Attributes:
        identifiers: namespace and value, as they are stored.
        sessions: device id and session id, on shared devices.
        at: when consent was taken back.
        by_server: a server's key said so.
    """

    identifiers: list[Pair]
    sessions: list[Pair]
    at: dt.datetime
    by_server: bool


_decode = msgspec.json.Decoder(tuple[Erased, ...]).decode


class Suppressions:
    """Those of a data folder.

    Args:
        data: the data folder.
        secret: of the keyed hash; the oldest key of contacts, so that another newest one changes nothing.
        stored: an identifier's value as the tables hold it, from what an app sends; empty if it can be none.
        others: what a contact is under other keys: by that somebody may have been erased.
        is_shared: other data folders have the same, see `exchange`.
    """

    def __init__(
        self,
        data: Path,
        secret: bytes,
        stored: Stored,
        others: Callable[[str], tuple[str, ...]] = lambda _: (),
        *,
        is_shared: bool = False,
    ) -> None:
        self.path = data / NAME
        self._is_shared = is_shared
        self._heard: tuple[Erased, ...] = ()  # of others, not in the file yet
        self._reading = threading.Lock()
        self._key = hashlib.sha256(b"suppression\0" + secret).digest()
        self._stored = stored
        self._others = others
        self._version: memoryview | None = None
        self._seen = -1
        self._hashes: frozenset[bytes] = frozenset()
        self._withdrawn: dict[bytes, Erased] = {}
        self._changed_at = 0.0
        with contextlib.suppress(OSError):  # a full disk: until it has room nothing is taken either
            self._map()

    def __bool__(self) -> bool:
        """Whether anybody is suppressed, as of now."""
        version = self._version
        if version is None or version[0] != self._seen:
            self._read()
        return bool(self._hashes)

    def holds(self, namespace: str, value: str) -> bool:
        """Whether an identifier, as it is stored, is suppressed."""
        return bool(self) and not self._hashes.isdisjoint(self._digests(namespace, value))

    def kept(self, rows: list[Row]) -> list[Row]:
        """The rows that tell of nobody suppressed; ask only when there is anybody."""
        known: dict[Pair, bool] = {}
        return [row for row in rows if not self._is_told(pairs_of(row), known)]

    def tells(self, raw: bytes) -> bool:
        """Whether something that could not be decoded names anybody suppressed; ask only when there is anybody."""
        known: dict[Pair, bool] = {}
        return any(self._is_told([(_ANY, value)], known) for value in named(raw, self._stored))

    def kept_lines(self, table: str, lines: list[bytes]) -> list[bytes]:
        """The lines of a spool segment that tell of nobody suppressed.

        Args:
            table: `events` or `failed`.
            lines: rows of that table.
        """
        if table == "events":
            known: dict[Pair, bool] = {}
            return [line for line in lines if not self._is_told(pairs_of_line(line), known)]
        return [line for line in lines if not self.tells(raw_of_line(line))]

    def concern(self, segment: Path) -> bool:
        """Whether what is in a spool segment may have been taken before somebody in it was suppressed."""
        return bool(self) and segment.stat().st_mtime <= self._changed_at + SETTLED_S

    def add(self, erasure: str, identifiers: Iterable[Pair], sessions: Iterable[Pair] = ()) -> None:
        """Suppress some; harmless when repeated.

        Args:
            erasure: its id: who was erased together comes back together.
            identifiers: namespace and value, as they are stored.
            sessions: device id and session id, on shared devices.

        Raises:
            OSError: the data folder cannot be written.
        """
        hashes = self._hashes_of(identifiers, sessions)
        with self._alone() as before:
            rest = tuple(one for one in before if one.id != erasure)
            self._write((*rest, Erased(erasure, dt.datetime.now(dt.UTC), hashes)))

    def add_withdrawn(self, erasure: str, withdrawn: Iterable[Withdrawn]) -> None:
        """Suppress some until they say yes again; harmless when repeated.

        Args:
            erasure: its id; each of them comes back alone.
            withdrawn: who.

        Raises:
            OSError: the data folder cannot be written.
        """
        now = dt.datetime.now(dt.UTC)
        made = [
            Erased(
                f"{erasure}.{number}",
                now,
                self._hashes_of(one.identifiers, one.sessions),
                one.at,
                one.by_server,
            )
            for number, one in enumerate(withdrawn)
        ]
        ids = {one.id for one in made}
        with self._alone() as before:
            erased = [*(one for one in before if one.id not in ids), *made]
            devices = [one.id for one in erased if one.withdrawn_at and not (one.by_server or one.is_back)]
            self._write(self._without(erased, set(devices[:-_MOST_DEVICES])))

    def welcome(self, rows: list[Row], *, by_server: bool) -> None:
        """Take those in again who were erased because they took consent back, and give it again; ask only when there is anybody.

        Args:
            rows: of one batch. Only an event of the type `consent` is a new consent: other events say what their device was told
                before, also one that has not heard of the withdrawal.
            by_server: sent with a server's key, which speaks for whomever it names; any other speaks for its own device.

        Raises:
            OSError: the data folder cannot be written.
        """
        back: set[str] = set()
        for row in rows if self._withdrawn else []:
            if row.type == CONSENT and row.consent.get(ANALYTICS):
                assert isinstance(row.tail, Device)  # noqa: S101 -- narrows the type; tails are encoded after this
                for pair in pairs_of(row) if by_server else [("device", row.tail.id)]:
                    for one in map(self._withdrawn.get, self._digests(*pair)):
                        if one is not None and one.withdrawn_at and one.withdrawn_at < row.occurred_at:
                            back |= {one.id} if by_server or not one.by_server else set()
        if back:
            with self._alone() as before:
                self._write(self._without(before, back))
            self._read()
            log.info(
                "%(people)d who had withdrawn their consent have given it again",
                event="consent_given_again",
                people=len(back),
            )

    def forget(self, namespace: str, value: str) -> int:
        """Let somebody come back, with all that was erased with them; returns how many identifiers, devices and sessions.

        Raises:
            OSError: the data folder cannot be written.
        """
        wanted = {digest.hex() for digest in self._digests(namespace, value)}
        with self._alone() as before:
            gone = [one for one in before if not wanted.isdisjoint(one.hashes)]
            if gone:
                self._write(self._without(before, {one.id for one in gone}))
        return len({digest for one in gone for digest in one.hashes})

    @property
    def version(self) -> int:
        """How often the file was changed."""
        return self._version[0] if self._version is not None else -1

    def exchange(self, heard: Mapping[str, Erased]) -> tuple[int, list[Erased]]:
        """Take over what other data folders know.

        Args:
            heard: all that they know, by id.

        Returns:
            The version from which the next exchange has news; what they do not know.
        """
        version = self.version  # before the file is read: what is changed meanwhile is exchanged next time
        known: tuple[Erased, ...] = ()
        try:
            known = merged = self._erased()
            if _merged(known, heard) != known:
                with self._alone() as before:
                    merged = _merged(before, heard)
                    self._write(merged)
            in_file = merged
        except (OSError, msgspec.DecodeError):
            # A full disk: loading makes room, so it goes on, sifted by what this process remembers until it can write it.
            version, merged, in_file = -1, _merged(known, heard), known
        self._remember(in_file, heard)
        return version, [
            one for one in merged if one.id not in heard or (one.is_back and not heard[one.id].is_back)
        ]

    def _remember(self, in_file: tuple[Erased, ...], heard: Mapping[str, Erased]) -> None:
        """Have what was heard and is not in the file hold all the same."""
        ids = {one.id for one in in_file}
        with self._reading:
            before = {one.id: one for one in self._heard}
            late = {one.id: one for one in _others_only(ids, heard)} | before
            back = {id_ for id_, one in heard.items() if one.is_back}
            self._heard = tuple(one for one in late.values() if one.id not in ids | back)
            if self._heard or before:
                self._seen = -1

    def _without(self, erased: Iterable[Erased], gone: AbstractSet[str]) -> tuple[Erased, ...]:
        """Take some out, by their ids; that they are back stays until other data folders know."""
        rest = (replace(one, hashes=(), is_back=True) if one.id in gone else one for one in erased)
        return tuple(one for one in rest if self._is_shared or not one.is_back)

    def _hashes_of(self, identifiers: Iterable[Pair], sessions: Iterable[Pair]) -> tuple[str, ...]:
        identifiers = list(identifiers)
        pairs = {*identifiers, *((SESSION, session_value(*one)) for one in sessions)}
        pairs |= {(_ANY, value) for _, value in identifiers}
        return tuple(sorted(self._digest(*pair).hex() for pair in pairs))

    def _is_told(self, pairs: Iterable[Pair], known: dict[Pair, bool]) -> bool:
        for pair in pairs:
            found = known.get(pair)
            if found is None:
                found = known[pair] = not self._hashes.isdisjoint(self._digests(*pair))
            if found:
                return True
        return False

    def _digests(self, namespace: str, value: str) -> Iterator[bytes]:
        """Of a value and of what it is under other keys."""
        yield self._digest(namespace, value)
        for one in self._others(value):
            yield self._digest(namespace, one)

    def _digest(self, namespace: str, value: str) -> bytes:
        text = f"{namespace}\0{value}".encode(errors="surrogatepass")
        return hashlib.blake2b(text, digest_size=_DIGEST_BYTES, key=self._key).digest()

    def _map(self) -> memoryview:
        """Share the number that says how often the file was changed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path.with_suffix(".version"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < _NUMBER_BYTES:
                os.posix_fallocate(
                    file, 0, _NUMBER_BYTES
                )  # a hole in a file would end the process on a full disk
            self._version = memoryview(mmap.mmap(file, _NUMBER_BYTES)).cast("Q")
        finally:
            os.close(file)
        return self._version

    def _read(self) -> None:
        with self._reading:  # or a slow thread would put back what a quicker one has replaced
            self._read_alone()

    def _read_alone(self) -> None:
        try:
            version = self._version or self._map()
        except OSError:
            return
        seen = version[0]  # before the file is read: what is changed meanwhile is read again
        hashes: AbstractSet[bytes] = frozenset()
        withdrawn: dict[bytes, Erased] = {}
        changed_at = 0.0
        erased = self._heard
        try:
            erased = (*self._erased(), *erased)
        except (OSError, msgspec.DecodeError) as error:
            log.error(  # noqa: TRY400
                "who is suppressed stays as it was: %(file)s: %(error)s",
                event="suppressions_unreadable",
                file=self.path,
                error=error,
            )
            hashes, withdrawn, changed_at = self._hashes, self._withdrawn, self._changed_at
        self._hashes = frozenset(bytes.fromhex(digest) for one in erased for digest in one.hashes) | hashes
        self._withdrawn = withdrawn | {
            bytes.fromhex(digest): one for one in erased if one.withdrawn_at for digest in one.hashes
        }
        self._changed_at = max([changed_at, *(one.at.timestamp() for one in erased)])
        self._seen = seen

    def _erased(self) -> tuple[Erased, ...]:
        try:
            return _decode(self.path.read_bytes())
        except FileNotFoundError:
            return ()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[tuple[Erased, ...]]:
        """Change the file while nobody else does; yields what is in it."""
        version = self._version or self._map()
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._erased()
            version[0] += 1
        finally:
            os.close(lock)

    def _write(self, erased: tuple[Erased, ...]) -> None:
        made = self.path.with_suffix(".new")
        with made.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(msgspec.json.encode(erased))
            file.flush()
            os.fsync(file.fileno())
        made.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _merged(known: tuple[Erased, ...], heard: Mapping[str, Erased]) -> tuple[Erased, ...]:
    """What is known together with what was heard of others, the own first."""
    rest = [one for one in known if not (one.id in heard and heard[one.id].is_back)]
    return (*rest, *_others_only({one.id for one in rest}, heard))


def _others_only(known: AbstractSet[str], heard: Mapping[str, Erased]) -> tuple[Erased, ...]:
    """Who is suppressed by others alone; from now on, for what was taken before is to be sifted too."""
    now = dt.datetime.now(dt.UTC)
    return tuple(replace(one, at=now) for one in heard.values() if not one.is_back and one.id not in known)
