"""What counts as an identifier, and what kind of thing each namespace names.

`device` and `anonymous` name an installation; every other namespace names a person: `user` a login, the rest are contacts
such as `email`, `phone` or `loyalty`.
"""

from __future__ import annotations

USER = "user"
DEVICE = "device"
INSTALLATIONS = frozenset({DEVICE, "anonymous"})

# What programs write where they know nobody. The same list stands in clickhouse/migrations/0010_never_identifiers.sql, and
# a test holds the two together.
NEVER = frozenset(
    {
        "",
        "0",
        "null",
        "none",
        "undefined",
        "nan",
        "unknown",
        "anonymous",
        "guest",
        "test",
        "[object object]",
        "00000000-0000-0000-0000-000000000000",
    }
)

_ORDER = {USER: 0, DEVICE: 1, "anonymous": 2, "email": 3, "phone": 4}
_NAMING = {USER: 0, DEVICE: 2, "anonymous": 3}


def is_identifier(value: str) -> bool:
    """Whether a value can name somebody or something."""
    return value.lower() not in NEVER


def is_contact(namespace: str) -> bool:
    """Whether a namespace names a person without a login: an e-mail, a phone, a card."""
    return namespace != USER and namespace not in INSTALLATIONS


def rank(namespace: str) -> tuple[int, str]:
    """Sort key of namespaces within one event: the login, the installation, then contacts, e-mail and phone first."""
    return _ORDER.get(namespace, 5), namespace


def naming_rank(namespace: str) -> int:
    """Sort key for what names a person: a user before a contact before a device before an anonymous id."""
    return _NAMING.get(namespace, 1)
