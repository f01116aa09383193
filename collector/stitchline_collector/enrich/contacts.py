"""E-mails and phone numbers: normalised and keyed-hashed before they reach disk.

An address hashed by an SDK and the same one sent plainly by a server meet: both become `HMAC(key, SHA-256(normalised))`.
Without the key, a stolen table cannot be tried against lists of known addresses.
"""

from __future__ import annotations

import hashlib
import re

import phonenumbers

from ..rows import Row
from .arrival import Arrival

CONTACTS = ("email", "phone")
_HASHED = re.compile(r"[0-9a-f]{64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
# Nobody's: as identifiers they would join strangers. The SDKs refuse the same; sdk/spec/vectors/hashing.json binds all.
_NOBODYS_MAILBOXES = frozenset(
    "noreply no-reply no_reply donotreply do-not-reply info mailer-daemon postmaster webmaster abuse".split()
)
_NOBODYS_ADDRESSES = frozenset("test@test.com test@example.com email@example.com user@example.com".split())
_HASHED_NOTHING = frozenset(
    hashlib.sha256(text).hexdigest() for text in (b"", b"null", b"none", b"undefined", b"None")
)
_KEPT_HEX = 32  # 128 bits: no two of 10^15 addresses meet by chance
_BLOCK_BYTES = 64
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))

_Known = dict[tuple[str, str], str]  # (namespace, value as it came) -> as it is stored


class Contacts:
    """Hashes the contacts of events; a step.

    Args:
        key: The secret of the keyed hash. The same on every collector, or one address becomes several.
        region: Two-letter country for phone numbers without a country code; without it they are not identifiers.
    """

    def __init__(self, key: bytes, region: str = "") -> None:
        # HMAC (RFC 2104) from two prepared states: 0.8 us an address, against 3.5 of `hmac.digest`, which looks the hash up anew.
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER_PAD))
        self._outer = hashlib.sha256(block.translate(_OUTER_PAD))
        self._region = region or None

    def __call__(self, _arrival: Arrival, rows: list[Row]) -> None:
        """Replace plain and SHA-256 contacts by their keyed hash, in place; drop what is neither."""
        done: set[int] = set()  # the batch's own identifiers are one object that its events share
        known: _Known = {}  # a device's batch names one person again and again
        for row in rows:
            given = row.identifiers
            if ("email" in given or "phone" in given) and id(given) not in done:
                done.add(id(given))
                self._hash(given, known)
            if row.linked:
                self._hash(row.linked, known)

    def stored(self, namespace: str, value: str) -> str:
        """A value as the tables hold it; empty when it cannot be an identifier of its namespace."""
        if namespace not in CONTACTS:
            return value
        digest = value
        if not _HASHED.fullmatch(digest):  # nearly all come hashed and lower-case
            digest = value.strip().lower()
        if not _HASHED.fullmatch(digest):
            plain = normal_email(value) if namespace == "email" else normal_phone(value, self._region)
            if not plain:
                return ""
            digest = hashlib.sha256(plain.encode()).hexdigest()
        if digest in _HASHED_NOTHING:
            return ""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(digest.encode())
        outer.update(inner.digest())
        return outer.hexdigest()[:_KEPT_HEX]

    def _hash(self, given: dict[str, str], known: _Known) -> None:
        for namespace in CONTACTS:
            value = given.get(namespace)
            if value is None:
                continue
            stored = known.get((namespace, value))
            if stored is None:
                stored = known[namespace, value] = self.stored(namespace, value)
            if stored:
                given[namespace] = stored
            else:
                del given[namespace]


def normal_email(value: str) -> str:
    """Trimmed and lower-cased, as hashed matching does; empty if it is no address, or nobody's."""
    value = value.strip().lower()
    if _EMAIL.fullmatch(value) is None or value in _NOBODYS_ADDRESSES:
        return ""
    return "" if value.partition("@")[0] in _NOBODYS_MAILBOXES else value


def normal_phone(value: str, region: str | None = None) -> str:
    """E.164, `+4930123456`; empty if it is no possible number, or has no country code and there is no region."""
    value = value.strip()
    if value.startswith("00"):
        value = "+" + value[2:]
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
