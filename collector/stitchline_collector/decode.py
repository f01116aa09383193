"""Bytes of a request -> typed events and rejections.

Enters: an inflated body. Leaves: a `Decoded`, whose events and rejections add up to what the batch held. Guaranteed: one
bad event never rejects its neighbours, every rejection carries index, path and reason, and what was rejected is kept as
a batch of its own that can be replayed.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import NamedTuple

import msgspec

from .wire import Batch, Defaults, Envelope, Event

_batch = msgspec.json.Decoder(Batch)
_envelope = msgspec.json.Decoder(Envelope)
_defaults = msgspec.json.Decoder(Defaults)
_event = msgspec.json.Decoder(Event)
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_YEAR_2200_MS = (dt.datetime(2200, 1, 1, tzinfo=dt.UTC) - EPOCH) // dt.timedelta(milliseconds=1)
_BRACE = ord("{")
_TWO_SIDED = frozenset({"link", "unlink"})


class Limits(msgspec.Struct, frozen=True):
    """What one batch may hold."""

    max_batch_events: int = 1000
    max_event_bytes: int = 65536
    max_json_depth: int = 32


class Rejection(msgspec.Struct, frozen=True):
    """Why one event of a batch was not accepted."""

    index: int
    event_id: str
    reason: str
    path: str


class Rejected(NamedTuple):
    """A rejection and the event it speaks of, as a batch of one that can be sent again."""

    rejection: Rejection
    raw: bytes


class Decoded(NamedTuple):
    """A batch as read: its defaults, the events that are sound, and the rest."""

    defaults: Defaults
    events: list[Event]
    rejected: list[Rejected]


class Unreadable(ValueError):
    """The body is not a batch at all: nothing of it can be told apart."""


class TooManyEvents(ValueError):
    """The batch holds more events than the collector takes at once."""


def decode(body: bytes, limits: Limits) -> Decoded:
    """Read one batch.

    Args:
        body: JSON, inflated.
        limits: What a batch may hold.

    Returns:
        Events and rejections; together as many as the batch held.

    Raises:
        Unreadable: the body is not JSON, or not an object with a list `events`.
        TooManyEvents: the list is longer than `limits.max_batch_events`.
    """
    try:
        if not body.isascii():
            body.decode()
        batch = _batch.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _one_by_one(body, limits)
    if len(batch.events) > limits.max_batch_events:
        raise TooManyEvents(_too_many(len(batch.events), limits))
    if _fault_of_defaults(batch) is not None:
        return _one_by_one(body, limits)
    largest, deepest = limits.max_event_bytes, limits.max_json_depth
    for event in batch.events:
        # Cheap conditions that prove a sound event; the whole check is for those that fail them. Depth d needs d opening
        # brackets, so few brackets prove a shallow value without reading it. In line, because a call for each event would cost as much again.
        json, moment = bytes(event.properties), event.occurred_at
        if (
            moment is not None
            and 1970 <= moment.year < 2200
            and event.name
            and json[0] == _BRACE
            and len(json) <= largest
            and json.count(b"{") + json.count(b"[") <= deepest
            and event.type not in _TWO_SIDED
        ):
            continue
        if fault(event, limits) is not None:
            return _one_by_one(body, limits)
    if b"\n" in body:
        _join_lines(batch.events)
    return Decoded(batch, batch.events, [])


def fault(event: Event, limits: Limits) -> tuple[str, str] | None:
    """Say what a type cannot: (reason, path) of the first fault of an event, None when it is sound."""
    return _fault_of_properties(bytes(event.properties), limits) or _fault_of_fields(event)


def _fault_of_properties(json: bytes, limits: Limits) -> tuple[str, str] | None:
    if json[0] != _BRACE:
        return f"Expected `object`, got `{json[:20].decode(errors='replace')}`", ".properties"
    if len(json) > limits.max_event_bytes:
        return f"too large: {len(json):,} bytes, at most {limits.max_event_bytes:,} are taken", ".properties"
    depth = _depth(json)
    if depth > limits.max_json_depth:
        return f"nested {depth} deep, at most {limits.max_json_depth} are taken", ".properties"
    return None


def _fault_of_fields(event: Event) -> tuple[str, str] | None:
    moment = event.occurred_at
    if moment is not None and not _is_possible(moment):
        return f"{moment.isoformat()} is outside 1970 to 2199", ".occurred_at"
    if moment is None and event.event_id is not None:
        if event.event_id.version != 7:
            return (
                "occurred_at is missing: send it, or an event_id that is a UUIDv7 (it holds the time)",
                ".occurred_at",
            )
        if event.event_id.int >> 80 >= _YEAR_2200_MS:
            return "the time in this UUIDv7 is outside 1970 to 2199", ".event_id"
    if not event.name and event.type == "track":
        return "a `track` event needs a name", ".name"
    if event.type in _TWO_SIDED and not event.linked:
        return f"a `{event.type}` event needs `linked`: the other side's identifiers", ".linked"
    return None


def _fault_of_defaults(defaults: Defaults) -> tuple[str, str] | None:
    moment = defaults.sent_at
    if moment is None or _is_possible(moment):
        return None
    return f"{moment.isoformat()} is outside 1970 to 2199", "$.sent_at"


def _is_possible(moment: dt.datetime) -> bool:
    """Whether a time can be told to ClickHouse, and added to and subtracted from without overflow."""
    return 1970 <= moment.year < 2200


def _join_lines(events: list[Event]) -> None:
    """Take the line ends out of properties, which go into the spool's lines as they came.

    In JSON a line end is white space: inside a string it is escaped.
    """
    for event in events:
        event.properties = msgspec.Raw(bytes(event.properties).replace(b"\n", b" "))


def _depth(json: bytes) -> int:
    """Nesting depth of a valid JSON text; brackets inside strings do not count."""
    depth = deepest = 0
    for token in re.findall(rb'[{\[]|[}\]]|"(?:[^"\\]|\\.)*"', json):
        if token in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"}]":
            depth -= 1
    return deepest


def _one_by_one(body: bytes, limits: Limits) -> Decoded:
    """The slow path: each part of the batch alone, after a fault somewhere in it."""
    envelope = _open(body)
    if len(envelope.events) > limits.max_batch_events:
        raise TooManyEvents(_too_many(len(envelope.events), limits))
    raws, envelope.events = envelope.events, []
    around = _encode(envelope)
    if len(around) > limits.max_event_bytes:
        # Each rejection keeps a copy of it: a thousand copies of megabytes would be a bomb.
        raise Unreadable(
            f"{len(around):,} bytes around the events, at most {limits.max_event_bytes:,} are taken"
        )
    defaults, broken = _read_defaults(around)
    events: list[Event] = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(raws):
        event, why = (None, broken) if broken else _read(bytes(raw), index, limits)
        if event is not None:
            events.append(event)
        elif why is not None:
            envelope.events = [raw]
            rejection = Rejection(index, _event_id(bytes(raw)), *why)
            rejected.append(Rejected(rejection, _encode(envelope)))
    _join_lines(events)
    return Decoded(defaults, events, rejected)


def _read_defaults(around: bytes) -> tuple[Defaults, tuple[str, str] | None]:
    """The batch's defaults, or what is wrong with them: then no event of it means what its sender meant."""
    try:
        around.decode()
        defaults = _defaults.decode(around)
    except msgspec.MsgspecError as error:
        return Defaults(), _reason_and_path(error, "$")
    except UnicodeDecodeError as error:
        return Defaults(), (f"not UTF-8: 0x{around[error.start]:02x}", "$")
    except RecursionError:
        return Defaults(), ("nested too deep to be read", "$")
    return defaults, _fault_of_defaults(defaults)


def _open(body: bytes) -> Envelope:
    try:
        return _envelope.decode(body)
    except RecursionError:
        raise Unreadable("nested too deep to be read") from None
    except UnicodeDecodeError:  # in a name: values are not read yet
        raise Unreadable("not UTF-8") from None
    except msgspec.MsgspecError as error:
        mended = mend_surrogates(body)
        if mended == body:
            raise Unreadable(str(error)) from None
    return _open(mended)


def _read(raw: bytes, index: int, limits: Limits) -> tuple[Event | None, tuple[str, str] | None]:
    at = f"$.events[{index}]"
    if len(raw) > limits.max_event_bytes:
        return None, (f"too large: {len(raw):,} bytes, at most {limits.max_event_bytes:,} are taken", at)
    try:
        raw.decode()
        event = _event.decode(raw)
    except msgspec.MsgspecError as error:
        return None, _reason_and_path(error, at)
    except UnicodeDecodeError as error:
        return None, (f"not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}", at)
    except RecursionError:
        return None, ("nested too deep to be read", at)
    found = fault(event, limits)
    return (event, None) if found is None else (None, (found[0], at + found[1]))


def _reason_and_path(error: msgspec.MsgspecError, at: str) -> tuple[str, str]:
    reason, _, path = str(error).partition(" - at `$")
    return reason, at + path.rstrip("`")


def _event_id(raw: bytes) -> str:
    """The event's own id, as far as a broken event has one."""
    try:
        value = _any.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    found = value.get("event_id") if isinstance(value, dict) else None
    return found[:64] if isinstance(found, str) else ""


_SURROGATES = re.compile(
    rb"\\\\"  # an escaped backslash: what follows it is text
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
)


def mend_surrogates(body: bytes) -> bytes:
    r"""Replace halves of surrogate pairs by U+FFFD: browsers send `\ud83d` for a string cut inside an emoji."""
    if b"\\ud" not in body and b"\\uD" not in body:  # found out in a twentieth of the time
        return body
    return _SURROGATES.sub(lambda m: rb"\ufffd" if m[1] else m[0], body)


def _too_many(count: int, limits: Limits) -> str:
    return (
        f"{count:,} events in one batch, at most {limits.max_batch_events:,} are taken: send smaller batches"
    )


def time_of(event_id: uuid.UUID) -> dt.datetime:
    """The time a UUIDv7 was made (RFC 9562: its first 48 bits are milliseconds since 1970)."""
    return EPOCH + dt.timedelta(milliseconds=event_id.int >> 80)


__all__ = [
    "Decoded",
    "Limits",
    "Rejected",
    "Rejection",
    "TooManyEvents",
    "Unreadable",
    "decode",
    "fault",
    "mend_surrogates",
    "time_of",
]
