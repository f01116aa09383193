"""Who is named in an event: in its row, in a line of the spool, or in a body that could not be decoded.

Enters: a row, a line, or bytes of whatever client. Leaves: namespaces and values, as they are stored. Guaranteed: of a body that could
not be decoded rather a value too many than one too few; a short value counts only under a name that clients have for somebody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..rows import EVENT_COLUMNS, FAILED_COLUMNS, Row
from ..wire import Device

SESSION = (
    "session"  # a session on a shared device, as if it were an identifier: its value is device and session
)
_TELLING_LETTERS = 8  # a value that long stands for nobody else by chance

Stored = Callable[[str, str], str]
Pair = tuple[str, str]


def session_value(device_id: str, session_id: str) -> str:
    """A session as a value."""
    return f"{device_id}\0{session_id}"


def pairs_of(row: Row) -> Iterator[Pair]:
    """What an event says of who it was."""
    assert isinstance(row.tail, Device)  # noqa: S101 -- narrows the type; tails are encoded after this
    yield from row.identifiers.items()
    yield from row.linked.items()
    if row.tail.id:
        yield "device", row.tail.id
        if row.session_id:
            yield SESSION, session_value(row.tail.id, row.session_id)


_columns = msgspec.json.Decoder(list[msgspec.Raw])
_map_of = msgspec.json.Decoder(dict[str, str]).decode
_text_of = msgspec.json.Decoder(str).decode
_IDENTIFIERS, _LINKED, _SESSION, _DEVICE = (
    EVENT_COLUMNS.index(name) for name in ("identifiers", "linked", "session_id", "device")
)
_RAW = FAILED_COLUMNS.index("raw")


def pairs_of_line(line: bytes) -> list[Pair]:
    """What one row of `events_raw`, as it lies in the spool, says of who it was."""
    columns = _columns.decode(line)
    device = msgspec.json.decode(columns[_DEVICE], type=Device).id
    session = _text_of(columns[_SESSION])
    pairs = [*_map_of(columns[_IDENTIFIERS]).items(), *_map_of(columns[_LINKED]).items()]
    if device:
        pairs.append(("device", device))
        if session:
            pairs.append((SESSION, session_value(device, session)))
    return pairs


def raw_of_line(line: bytes) -> bytes:
    """What was rejected, out of a row of `failed_events_raw` as it lies in the spool."""
    return bytes(_columns.decode(line)[_RAW]).replace(b'\\"', b'"')


# In JSON, broken or whole, of whatever client: a name, and a text or a number behind it; or a text alone.
_NAMED = re.compile(rb'"([^"\\\s]{1,64})"\s*:\s*(?:"([^"\\]{1,512})"|(-?\d{1,20})(?![\d.eE]))')
_ALONE = re.compile(rb'"([^"\\]{8,512})"')
# Under these a short value names somebody too.
_NAMES = frozenset(
    "user user_id userid uid anonymous anonymous_id anonymousid duid nuid nid device device_id deviceid distinct_id email "
    "phone external_id".split()
)
_HASHED = re.compile(r"[0-9a-f]{64}")


def named(raw: bytes, stored: Stored) -> Iterator[str]:
    """The values in a body of any kind that may be somebody's identifier, as they are stored.

    Args:
        raw: JSON of whatever client, whole or broken.
        stored: gives contacts as they are stored.
    """
    found: dict[str, Any] = {}
    for name, text, number in _NAMED.findall(raw):
        key = name.decode(errors="replace").lower().lstrip("$")
        value = (text or number).decode(errors="replace")
        if len(value) >= _TELLING_LETTERS or key in _NAMES:
            found[value] = key
    for text in _ALONE.findall(raw):
        found.setdefault(text.decode(errors="replace"), "")
    for value, key in found.items():
        yield value
        if "@" in value or _HASHED.fullmatch(value.lower()):
            yield stored("email", value)
        if key == "phone" or value.startswith(("+", "00")):
            yield stored("phone", value)
