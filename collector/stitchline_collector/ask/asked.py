"""Which identifier a question is about, and whose it is.

Enters: a namespace and a value as a human types them. Leaves: the identifier as the tables hold it, its node and its person, now
or at a past moment. Guaranteed: a person id that was merged away is still answered, because an id is a node.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ..engine import Reader
from .questions import questions

Stored = Callable[[str, str], str]
PERSON = "person"  # person:123 asks for an id as the views show it
NOBODY = 0
_STORED_CONTACT = re.compile(r"([1-9][0-9]*\.)?[0-9a-f]{32}")  # the keyed hash, as `identifiers` shows it
_BIGGEST_ID = 2**64


class Asked(NamedTuple):
    """An identifier.

    Attributes:
        namespace: e.g. `user`.
        value: normalised and hashed as at ingest; of a person the id.
        typed: as it was asked for.
    """

    namespace: str
    value: str
    typed: str


class Found(NamedTuple):
    """An identifier's node, and its person; 0 is nobody."""

    node: int
    person_id: int


def asked(namespace: str, value: str, stored: Stored) -> Asked | None:
    """Read an identifier; None when the value can be none of its namespace.

    Args:
        namespace: of the identifier, or `person` for an id.
        value: as a human types it, or as the tables hold it.
        stored: gives a value as the tables hold it.
    """
    typed = f"{namespace}:{value}"
    if namespace in ("email", "phone") and _STORED_CONTACT.fullmatch(value):
        return Asked(namespace, value, typed)
    kept = stored(namespace, value)
    return Asked(namespace, kept, typed) if kept else None


def find(reader: Reader, who: Asked, at: dt.datetime | None = None) -> Found:
    """Tell the node of an identifier and the person it belongs to.

    Args:
        reader: of this thread.
        who: the identifier.
        at: a past moment; None is now.
    """
    given = int(who.value) if _is_id(who) else 0
    parameters = {"namespace": who.namespace, "value": who.value, "given": given}
    return Found(*ask(reader, "person_of", at, **parameters)[0].values())


def ask(
    reader: Reader, name: str, at: dt.datetime | None = None, /, **parameters: object
) -> list[dict[str, Any]]:
    """Ask a named question; with a past moment, the one of the same name about then."""
    if at is not None:
        name, parameters = f"{name}_asof", parameters | {"at": moment(at)}
    return reader.query(questions()[name].sql, parameters).dicts()


def moment(at: dt.datetime) -> str:
    """Write a moment as ClickHouse reads it, in UTC."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def iso(at: dt.datetime) -> str:
    """Write a moment as JSON has it."""
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_id(who: Asked) -> bool:
    return (
        who.namespace == PERSON
        and who.value.isascii()
        and who.value.isdigit()
        and 0 < int(who.value) < _BIGGEST_ID
    )
