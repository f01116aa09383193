"""Who may do what: write keys, server keys, read keys, admin keys, and each key's rate."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

KeyKind = Literal["write", "server", "read", "admin"]
_MAY: dict[KeyKind, frozenset[str]] = {
    "write": frozenset({"write"}),
    "server": frozenset({"write"}),
    "read": frozenset({"read"}),
    "admin": frozenset({"read", "admin"}),
}


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One configured key.

    Attributes:
        key: The secret itself.
        kind: `write` is for apps and pages and may be public. `server` is for back ends: address and agent of its requests
            describe that server, so they are not recorded. `read` may ask, `admin` may also replay.
        source: The name under which its events are stored.
        max_events_per_s: Rate above which it is answered 429, over bursts of ten seconds; 0 is no limit.
    """

    key: str
    kind: KeyKind = "write"
    source: str = ""
    max_events_per_s: int = 0


class Grant:
    """A key in use: what it may do and how much of its rate is left."""

    BURST_S = 10

    def __init__(self, key: Key) -> None:
        self.source = key.source
        self.is_server = key.kind == "server"
        self._rate = key.max_events_per_s
        self._left = float(self._rate * self.BURST_S)
        self._at = time.monotonic()
        self._may = _MAY[key.kind]

    def may(self, right: str) -> bool:
        """Whether the key has a right: `write`, `read` or `admin`."""
        return right in self._may

    def wait_s(self) -> int:
        """Seconds until the key may send again; 0 now."""
        if not self._rate:
            return 0
        now = time.monotonic()
        self._left = min(self._rate * self.BURST_S, self._left + (now - self._at) * self._rate)
        self._at = now
        return 0 if self._left > 0 else int(-self._left / self._rate) + 1

    def spend(self, events: int) -> None:
        """Take events off the key's rate; a batch may overdraw it, and then the next one waits."""
        if self._rate:
            self._left -= events


class Keys:
    """The configured keys; without any, development mode: every key may do everything."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._grants = {key.key: Grant(key) for key in keys}
        self.development = not keys
        self._anyone = Grant(Key("", "write", "development"))

    def grant(self, key: str, right: str) -> Grant | None:
        """What a key is allowed, None when it lacks the right."""
        if self.development:
            return self._anyone if key else None
        grant = self._grants.get(key)
        return grant if grant is not None and grant.may(right) else None
