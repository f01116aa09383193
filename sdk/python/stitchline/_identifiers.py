"""Who an event is about: namespaces and values, cleaned and hashed before anything leaves.

In: what the app passes as `user`, `email`, `phone` and `identifiers`. Out: a map for the wire.
Guaranteed: a value that names nobody never becomes an identifier; with `hash_contacts` no e-mail address or phone
number is in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from stitchline._contacts import is_hash, known_hash, normal_email, normal_phone, sha256_hex
from stitchline._exceptions import InvalidEvent

_NAMES_NOBODY: Final = frozenset(
    {
        "",
        "0",
        "null",
        "none",
        "nil",
        "undefined",
        "nan",
        "unknown",
        "anonymous",
        "guest",
        "test",
        "[object object]",
    }
)
_CONTACTS: Final = frozenset({"email", "phone"})

Refuse = Callable[[str, object, str], None]
"""Called with namespace, value and what was expected; raises in debug, else counts."""


class Cleaner:
    """Turns what an app holds into identifiers.

    Args:
        hash_contacts: send e-mails and phone numbers as SHA-256 only.
        default_region: ISO 3166 code for national phone numbers.
        refuse: called for every value that names nobody.
    """

    def __init__(self, *, hash_contacts: bool, default_region: str | None, refuse: Refuse) -> None:
        self._hash_contacts = hash_contacts
        self._default_region = default_region
        self._refuse = refuse

    def user(self, user: object) -> dict[str, str]:
        """Do as `clean` does with a login alone, the most frequent, in a third of its time.

        Raises:
            InvalidEvent: as `clean`.
        """
        if type(user) is str:
            text = user.strip()
            if not names_nobody(text):
                return {"user": text}
        return self.clean(user, None, None, None)

    def clean(
        self, user: object, email: object, phone: object, identifiers: Mapping[str, Any] | None
    ) -> dict[str, str]:
        """Return the identifiers that name somebody, by namespace.

        Raises:
            InvalidEvent: `identifiers` is no mapping, or a value is neither text, number nor UUID.
        """
        if identifiers is None:
            given: dict[str, object] = {}
        elif isinstance(identifiers, Mapping):
            given = dict(identifiers)
        else:
            raise InvalidEvent("identifiers", identifiers, "pass a mapping of namespace to value")
        for namespace, value in (("user", user), ("email", email), ("phone", phone)):
            if value is not None:
                given[namespace] = value
        who: dict[str, str] = {}
        for namespace, value in given.items():
            cleaned = self._value(namespace, value)
            if cleaned is not None:
                who[namespace] = cleaned
        return who

    def _value(self, namespace: Any, value: object) -> str | None:
        if type(namespace) is not str or not namespace:
            raise InvalidEvent("identifiers", namespace, "a namespace is a text such as 'loyalty'")
        if value is None:
            return None  # "I do not know who" is a common call; it claims nothing
        text = value if type(value) is str else identifier_text(f"identifiers.{namespace}", value)
        text = text.strip()
        if not (text.isascii() and namespace.isascii()):
            check_unicode("identifiers", namespace)
            check_unicode(f"identifiers.{namespace}", text)
        if names_nobody(text):
            self._refuse(namespace, value, "pass a value that names somebody")
            return None
        return self._contact(namespace, text) if namespace in _CONTACTS else text

    def _contact(self, namespace: str, text: str) -> str | None:
        hashed = is_hash(text)
        if hashed:
            contact = known_hash(text)
        elif namespace == "email":
            contact = normal_email(text)
        else:
            contact = normal_phone(text, self._default_region)
        if contact is None:
            self._refuse(namespace, text, _EXPECTED[namespace])
            return None
        return sha256_hex(contact) if self._hash_contacts and not hashed else contact


_EXPECTED: Final = {
    "email": "pass the address of a person",
    "phone": "pass a possible number that begins with '+', or set default_region and install stitchline[phone]",
}


def identifier_text(field: str, value: object) -> str:
    """Return a text, number or UUID as text.

    Raises:
        InvalidEvent: it is none of them.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    if type(value).__name__ == "UUID":  # by name: importing uuid only to compare would cost start-up time
        return str(value)
    raise InvalidEvent(field, value, "pass a text, a whole number or a UUID")


def check_unicode(field: str, value: str) -> None:
    """Refuse lone surrogates, which UTF-8 has no form for.

    Raises:
        InvalidEvent: there is one.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidEvent(field, value, "pass texts without lone surrogates") from None


def names_nobody(text: str) -> bool:
    """Say whether a value is one that programs use for "no one": empty, ``null``, all zeros, ..."""
    lowered = text.lower()
    return lowered in _NAMES_NOBODY or not lowered.strip("0-")
