"""Link tokens: one side of a `link`, signed and short-lived, on its way to another device (protocol P-13).

In: who the maker is, and the link key that both sides have. Out: a text for an address or a QR code, and back again.
Guaranteed: the vectors of ``sdk/spec/vectors/link_tokens.json``; a token that is changed, cut, too old or of a wrong key
is none, never an exception.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from stitchline._exceptions import InvalidEvent
from stitchline._identifiers import Cleaner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from stitchline._event import IdentifierValue

PARAMETER: Final = "_stl"
MAX_LIFE_S: Final = 30 * 86_400
SKEW_S: Final = 120
_VERSION: Final = "st1"
_MIN_KEY_BYTES: Final = 16
_MAC_BYTES: Final = 16


class LinkToken(msgspec.Struct, frozen=True):
    """What a token says; pass `linked` to `link`.

    Attributes:
        linked: the maker's identifiers, e-mail and phone hashed.
        via: how it travels, e.g. ``qr``; empty where its maker did not say.
    """

    linked: dict[str, str]
    via: str = ""


class _Payload(msgspec.Struct, omit_defaults=True):
    iat: int
    exp: int
    linked: dict[str, str]
    via: str = ""


def make_link_token(
    linked: Mapping[str, IdentifierValue | UUID],
    link_key: str,
    *,
    via: str = "",
    life_s: int = 300,
    now_s: float | None = None,
) -> str:
    """Sign identifiers, so that the device that opens the link can say `link`.

    Args:
        linked: who makes it, e.g. ``{"device": client.device.id}``; in an e-mail ``{"email": address}``.
        link_key: what all sides share, at least 16 bytes. A key inside an app or a page is public: the signature then
            shows that the token is whole, not who made it.
        via: how it travels: ``qr``, ``email``, ``deep_link``, ``cross_domain`` or a word of your own.
        life_s: seconds until it ends, 1 to 2,592,000.
        now_s: now, seconds since 1970; the system's clock when left out.

    Returns:
        A text of letters, digits, ``-``, ``_`` and two points; put it into an address as ``_stl``.

    Raises:
        InvalidEvent: nobody is named, or key or life are out of range.
    """
    if len(link_key.encode()) < _MIN_KEY_BYTES:
        raise InvalidEvent("link_key", "...", f"pass at least {_MIN_KEY_BYTES} bytes")
    if not 0 < life_s <= MAX_LIFE_S:
        raise InvalidEvent("life_s", life_s, f"pass 1 to {MAX_LIFE_S} seconds")
    who = _cleaned(linked)
    if not who:
        raise InvalidEvent("linked", linked, "pass at least one that names somebody")
    issued = int(time.time() if now_s is None else now_s)
    return signed(_text(msgspec.json.encode(_Payload(issued, issued + life_s, who, via))), link_key)


def read_link_token(
    token: str, link_key: str, *, own_device: str = "", now_s: float | None = None
) -> LinkToken | None:
    """Return what a token says, or None where nothing may be linked by it.

    Args:
        token: as it was found in an address.
        link_key: what all sides share.
        own_device: this device's id: a token that it made itself links nothing.
        now_s: now, seconds since 1970; the system's clock when left out.
    """
    import hmac  # only where tokens are read

    version, _, rest = token.partition(".")
    payload = rest.partition(".")[0]
    try:
        if version != _VERSION or not hmac.compare_digest(signed(payload, link_key).encode(), token.encode()):
            return None
        said = msgspec.json.decode(_bytes(payload), type=_Payload)
        who = _cleaned(said.linked)
    except (ValueError, InvalidEvent):  # msgspec's and Unicode's errors are ValueErrors
        return None
    now = time.time() if now_s is None else now_s
    in_time = said.iat - SKEW_S <= now <= said.exp + SKEW_S and 0 < said.exp - said.iat <= MAX_LIFE_S
    is_own = bool(own_device) and who.get("device") == own_device
    return LinkToken(who, said.via) if who and in_time and not is_own else None


def take_link_token(url: str) -> tuple[str | None, str]:
    """Take the token out of an address, so that it is not recorded or passed on with it.

    Args:
        url: an address with or without a token.

    Returns:
        The token or None, and the address without it.
    """
    rest, hash_mark, fragment = url.partition("#")
    path, _, query = rest.partition("?")
    parts = query.split("&") if query else []
    mark = f"{PARAMETER}="
    found = [part.removeprefix(mark) for part in parts if part.startswith(mark)]
    if not found:
        return None, url
    kept = "&".join(part for part in parts if not part.startswith(mark))
    return found[0], f"{path}{'?' if kept else ''}{kept}{hash_mark}{fragment}"


def signed(payload: str, link_key: str) -> str:
    """Return the token of an encoded payload: HMAC-SHA256 (RFC 2104), cut to 128 bits to keep QR codes small."""
    import hashlib  # 5 ms that programs without tokens never need
    import hmac

    message = f"{_VERSION}.{payload}"
    mac = hmac.digest(link_key.encode(), message.encode(), hashlib.sha256)
    return f"{message}.{_text(mac[:_MAC_BYTES])}"


def _cleaned(linked: Mapping[str, IdentifierValue | UUID]) -> dict[str, str]:
    cleaner = Cleaner(hash_contacts=True, default_region=None, refuse=lambda *_: None)
    return cleaner.clean(None, None, None, linked)


def _text(data: bytes) -> str:
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
