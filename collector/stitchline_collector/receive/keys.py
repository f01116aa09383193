"""Who may do what: write keys, server keys, read keys, admin keys, from which pages, and each key's rate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .rates import Accounts, Rate

KeyKind = Literal["write", "server", "read", "admin"]
PAGE_ORIGIN = r"^[a-z][a-z0-9+.-]*://(\*\.)?[^/*@\sA-Z]+$"
PageOrigin = Annotated[str, Meta(pattern=PAGE_ORIGIN)]
"""Scheme, host and port of pages, as browsers send it; `https://*.shop.example` stands for every host under that name."""
_MAY: dict[KeyKind, frozenset[str]] = {
    "write": frozenset({"write"}),
    "server": frozenset({"write"}),
    "read": frozenset({"read"}),
    "admin": frozenset({"read", "admin"}),
}


def digest(key: str) -> bytes:
    """A key's SHA-256, under which it is kept and looked up.

    A slow hash, as for passwords, would gain nothing: a key of 256 random bits is not found by trying, whatever a try costs, and
    this runs for every request. Looking up the hash also takes the same time whoever asks with whatever key: how long a
    comparison lasts tells of the hash, of which nobody can choose the beginning.
    """
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One configured key.

    Attributes:
        key: The secret itself.
        kind: `write` is for apps and pages and may be public. `server` is for back ends: address and agent of its requests
            describe that server, so they are not recorded. `read` may ask, `admin` may also replay.
        source: The name under which its events are stored.
        max_events_per_s: Rate above which it is answered 429, over bursts of ten seconds; 0 is no limit.
        origins: Pages that may use it; empty is everybody.
    """

    key: str
    kind: KeyKind = "write"
    source: str = ""
    max_events_per_s: int = 0
    origins: tuple[PageOrigin, ...] = ()


class Grant:
    """A key in use: what it may do and how much of its rate is left.

    Args:
        key: Its terms.
        rate: Its rate.
    """

    def __init__(self, key: Key, rate: Rate) -> None:
        self.terms = key
        self.source = key.source
        self.is_server = key.kind == "server"
        self.is_for_pages = bool(key.origins)
        self._may = _MAY[key.kind]
        self.wait_s, self.spend = rate.wait_s, rate.spend

    def may(self, right: str) -> bool:
        """Whether the key has a right: `write`, `read` or `admin`."""
        return right in self._may

    def takes_from(self, origin: str) -> bool:
        """Whether pages of an origin may use it."""
        return not self.is_for_pages or any(_covers(allowed, origin) for allowed in self.terms.origins)


class Keys:
    """The keys; without any, development mode: every key may do everything.

    Args:
        keys: The configured ones.
        made: Those of `stitchline keys`, by their hashes; None while none was ever made.
        accounts: Where their rates are kept; None is in this process.
    """

    def __init__(
        self,
        keys: tuple[Key, ...],
        made: Iterable[tuple[bytes, Key]] | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self._accounts = accounts or Accounts()
        self._configured = {(hashed := digest(key.key)): self._grant(hashed, key) for key in keys}
        self._anyone = self._grant(b"", Key("", "write", "development"))
        self._grants = self._configured
        self.development = not keys
        self.change(made)

    def change(self, made: Iterable[tuple[bytes, Key]] | None) -> None:
        """Take other made keys from now on; one whose rate stays keeps what is left of it."""
        if made is None:
            return
        self._grants = dict(self._configured)
        for hashed, terms in made:
            self._grants.setdefault(hashed, self._grant(hashed, terms))
        self.development = False

    def grant(self, key: str, right: str) -> Grant | None:
        """What a key is allowed, None when it lacks the right."""
        if self.development:
            return self._anyone if key else None
        grant = self._grants.get(digest(key))
        return grant if grant is not None and grant.may(right) else None

    def _grant(self, hashed: bytes, terms: Key) -> Grant:
        return Grant(terms, Rate(terms.max_events_per_s, hashed, self._accounts))

    def take_from(self, origin: str) -> bool:
        """Whether there is a key with which pages of an origin may send."""
        if self.development:
            return True
        return any(grant.may("write") and grant.takes_from(origin) for grant in self._grants.values())


def _covers(allowed: str, origin: str) -> bool:
    scheme, any_host, name = allowed.partition("://*")
    return allowed == origin or (
        bool(any_host)
        and origin.startswith(f"{scheme}://")
        and origin.endswith(name)
        and len(origin) > len(scheme) + len("://") + len(name)
    )
