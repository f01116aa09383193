"""E-mail addresses and phone numbers: one spelling, then SHA-256, as the ad platforms' hashed matching does.

In: what a person typed, or 64 hex digits of somebody else's hash. Out: the normalised text or its hash, or None where
it names nobody. Guaranteed: the vectors of ``sdk/spec/vectors/hashing.json``, which the collector holds too.
"""

from __future__ import annotations

import re
from typing import Final

_SHA256_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_PHONE_FILLERS: Final = re.compile(r"\(0\)|[\s().\-/\u2010-\u2015\u00a0]")
# E.164: at most 15 digits and no leading zero; below 7 digits it cannot be an international number.
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_NOBODYS_MAILBOXES: Final = frozenset(
    "noreply no-reply no_reply donotreply do-not-reply info mailer-daemon postmaster webmaster abuse".split()
)
_NOBODYS_ADDRESSES: Final = frozenset(
    {"test@test.com", "test@example.com", "email@example.com", "user@example.com"}
)
# What a careless integration hashes when there is no address.
_HASHED_NOTHING: Final = frozenset(
    {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",  # the empty text
        "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b",  # null
        "140bedbf9c3f6d56a9846d2ba7088798683f4da0c248231336e6a05679e4fdfe",  # none
        "eb045d78d273107348b0300c01d29b7552d622abbc6faf81b3ec55359aa9950c",  # undefined
        "dc937b59892604f5a86ac96936cd7ff09e25f18ae6b758e8014a24c7fa039e91",  # None
    }
)


def sha256_hex(text: str) -> str:
    """Return the SHA-256 of the text's UTF-8 bytes as 64 lower-case hex digits."""
    import hashlib  # 5 ms that programs without contacts never need

    return hashlib.sha256(text.encode()).hexdigest()


def is_hash(text: str) -> bool:
    """Say whether the text is a SHA-256 that somebody else made."""
    return len(text) == 64 and _SHA256_HEX.fullmatch(text) is not None


def known_hash(text: str) -> str | None:
    """Return a hash in lower case, or None when it is the hash of nothing."""
    lowered = text.lower()
    return None if lowered in _HASHED_NOTHING else lowered


def normal_email(text: str) -> str | None:
    """Return the address trimmed and lower-cased.

    Args:
        text: an address, as typed.

    Returns:
        None when it is no address, or one that names nobody (``noreply@...``, ``info@...``, ``test@test.com``).
    """
    address = text.strip().lower()
    if _EMAIL.fullmatch(address) is None or address in _NOBODYS_ADDRESSES:
        return None
    return None if address.partition("@")[0] in _NOBODYS_MAILBOXES else address


def normal_phone(text: str, default_region: str | None = None) -> str | None:
    """Return the number as E.164, with its ``+``.

    Args:
        text: a number, as typed. One without ``+`` or ``00`` needs `default_region` and the package `phonenumbers`.
        default_region: ISO 3166 code of the country a national number belongs to, e.g. ``AT``.

    Returns:
        None when it is no possible number.
    """
    number = _PHONE_FILLERS.sub("", text)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    international = number.startswith("+")
    if international and _E164.fullmatch(number) is None:
        return None
    parsed = _parsed(number, default_region)
    if parsed is None and international:
        return number
    return parsed or None


def _parsed(number: str, region: str | None) -> str | None:
    """Return the number by `phonenumbers`: E.164, empty when impossible, None when the package is missing."""
    try:
        import phonenumbers  # optional, and 60 ms
    except ImportError:
        return None
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(parsed):
        return ""
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
