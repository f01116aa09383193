"""What every dialect makes of a body, and the few rules they share.

Enters: messages of another client. Leaves: our events and rejections, as `decode` makes them. Guaranteed: the same message
gives the same event id however often it is sent, what fits no column stays in `properties`, and one bad message never rejects its
neighbours.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Raw

from ..decode import Decoded, Limits, Rejected, Rejection, fault
from ..enrich.privacy import network
from ..wire import Device, Event

SHORT, TEXT, URL, IDENTIFIER = 256, 2048, 8192, 512  # characters, as in `wire`
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECONDS_BELOW = 100_000_000_000  # a number below it, as milliseconds, would be before March 1973
_UUID_DIGITS = 36
_SIZE_BYTES = 16

encode = msgspec.json.Encoder().encode
decode_any = msgspec.json.Decoder().decode
decode_parts = msgspec.json.Decoder(dict[str, Raw]).decode
_moment = msgspec.json.Decoder(dt.datetime).decode
Message = TypeVar("Message")


class Opened(Protocol):
    """A body that could be read: whose it is, and its events once that is known."""

    @property
    def key(self) -> str:
        """The key in the body; empty without one."""

    def decoded(self, source: str, limits: Limits) -> Decoded:
        """Its events.

        Args:
            source: The name under which they are stored; it tells ids that are no UUID apart.
            limits: What an event may hold.

        Raises:
            TooManyEvents: more than `limits.max_batch_events`, where the client then sends less.
        """


class Bad(ValueError):
    """One message cannot be an event; the path is its place in that message."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def one_by_one(
    messages: Sequence[Message],
    at: str,
    read: Callable[[Message], Event],
    alone: Callable[[Message], bytes],
    limits: Limits,
) -> tuple[list[Event], list[Rejected]]:
    """Read messages, each for itself.

    Args:
        messages: Of one body.
        at: Where they stand in it, e.g. `$.batch`.
        read: Makes an event of one; raises `Bad` or msgspec's errors.
        alone: The body with just this message, to be kept and replayed.
        limits: What an event may hold.
    """
    events: list[Event] = []
    rejected: list[Rejected] = []
    for index, message in enumerate(messages):
        found: tuple[str, str] | None
        event = None
        try:
            event = read(message)
            found = faults(event, limits)
        except Bad as bad:
            found = bad.reason, bad.path
        except msgspec.MsgspecError as error:
            reason, _, path = str(error).partition(" - at `$")
            found = reason, path.rstrip("`")
        except (UnicodeDecodeError, RecursionError) as error:
            found = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "nested too deep to be read", ""
        if event is not None and found is None:
            events.append(event)
        elif found is not None:
            event_id = "" if event is None or event.event_id is None else str(event.event_id)
            rejection = Rejection(index, event_id, found[0], f"{at}[{index}]{found[1]}")
            rejected.append(Rejected(rejection, alone(message)))
    return events, rejected


def faults(event: Event, limits: Limits) -> tuple[str, str] | None:
    """What a native event would be rejected for: (reason, path), None when it is sound."""
    if len(event.name) > SHORT:
        return f"Expected `str` of length <= {SHORT}", ".name"
    for one in (event.identifiers, event.linked):
        if isinstance(one, dict) and one and max(map(len, one.values())) > IDENTIFIER:
            namespace = next(name for name, value in one.items() if len(value) > IDENTIFIER)
            return f"Expected `str` of length <= {IDENTIFIER}", f".{namespace}"
    # As in `decode`: few brackets prove a shallow value, and counting them costs a tenth of reading the value.
    json, moment = bytes(event.properties), event.occurred_at
    if (
        moment is not None
        and 1970 <= moment.year < 2200
        and event.name
        and len(json) <= limits.max_event_bytes
        and json.count(b"{") + json.count(b"[") <= limits.max_json_depth
        and json.startswith(b"{")
        and event.type != "link"
    ):
        return None
    return fault(event, limits)


def event_id(dialect: str, source: str, given: str) -> uuid.UUID | None:
    """The client's own id, or one that is always made of it; None without one."""
    if len(given) == _UUID_DIGITS:
        try:
            return msgspec.convert(given, uuid.UUID)
        except msgspec.ValidationError:
            pass
    return made_id(dialect, source, given) if given else None


def made_id(dialect: str, *parts: str) -> uuid.UUID:
    """A UUIDv8 (RFC 9562) of some text."""
    digest = hashlib.blake2b("\0".join(parts).encode(), key=dialect.encode(), digest_size=_SIZE_BYTES)
    number = int.from_bytes(digest.digest())
    return uuid.UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)


def aware(moment: dt.datetime | None) -> dt.datetime | None:
    """A time that names no zone is UTC."""
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def timed(event: Event, sent_at: dt.datetime | None) -> Event:
    """Give an event that came without a time that of its sending; without that too, it happens when it arrives.

    It is then given an id at its arrival as well: its own would be no guard against a retry, whose time is another.
    """
    if event.occurred_at is None:
        event.occurred_at = sent_at
        if sent_at is None:
            event.event_id = None
    return event


def possible(moment: dt.datetime | None) -> dt.datetime | None:
    """The time of sending where ClickHouse can be told it; what is wilder says nothing of a clock."""
    return moment if moment is not None and 1970 <= moment.year < 2200 else None


def moment(value: object, path: str) -> dt.datetime | None:
    """A time as clients write it: RFC 3339, or seconds or milliseconds since 1970; None for nothing.

    Raises:
        Bad: it is none of them.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            return from_number(float(value), path) if _is_number(value) else aware(_moment(encode(value)))
        except msgspec.ValidationError as error:
            raise Bad(str(error), path) from None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return from_number(value, path)
    raise Bad("Expected a time", path)


def from_number(number: float, path: str) -> dt.datetime:
    """A time from seconds or milliseconds since 1970.

    Raises:
        Bad: it is outside of what can be stored.
    """
    try:
        seconds = number if abs(number) < _SECONDS_BELOW else number / 1000
        return _EPOCH + dt.timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise Bad("this number of seconds or milliseconds is outside 1970 to 2199", path) from None


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def name_of(value: object) -> str:
    """An id as text: numbers are written out, anything else names nobody."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def text_in(fields: dict[str, Any], name: str, longest: int = SHORT) -> str:
    """A text that fits; empty for anything else."""
    value = fields.get(name)
    return value if isinstance(value, str) and len(value) <= longest else ""


def pixels_in(fields: dict[str, Any], name: str) -> int:
    """A size on a screen; 0 for anything else."""
    value = fields.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 65535:
        return int(value)
    return 0


def take(fields: dict[str, Any], name: str, longest: int = SHORT) -> str:
    """Take a text out; what is none, or does not fit, stays."""
    value = fields.get(name)
    if isinstance(value, str) and len(value) <= longest:
        del fields[name]
        return value
    return ""


def take_pixels(fields: dict[str, Any], name: str) -> int:
    """Take a size on a screen out; what is none stays."""
    value = fields.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 65535:
        del fields[name]
        return int(value)
    return 0


def part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside another; empty when there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """What was emptied by taking everything out, and what was never said, goes."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}


def take_contacts(traits: dict[str, Any], into: dict[str, str]) -> None:
    """Take e-mail and phone number out of what is known of a person: they are hashed, and kept nowhere as they came."""
    email, phone = traits.get("email"), traits.get("phone")
    if isinstance(email, str) and "@" in email and len(email) <= IDENTIFIER:
        into["email"] = email
        del traits["email"]
    if isinstance(phone, (str, int)) and any(map(str.isdecimal, str(phone))):
        into["phone"] = str(phone)[:IDENTIFIER]
        del traits["phone"]


def cut_address(fields: dict[str, Any], name: str) -> None:
    """Keep only the network of an IP address that a client states itself."""
    if isinstance(fields.get(name), str):
        fields[name] = network(fields[name])


def with_rest(properties: bytes, name: str, rest: bytes) -> Raw:
    """Properties and, under one name, what has no column of its own.

    Args:
        properties: A JSON object.
        name: The dialect's.
        rest: A JSON object; empty adds nothing.
    """
    if not rest or rest == b"{}":
        return Raw(properties)
    key = encode(name)
    if key in properties:  # perhaps a property of that name: a key must not stand there twice
        fields = decode_parts(properties)
        while name in fields:
            name += "_"
        fields[name] = Raw(rest)
        return Raw(encode(fields))
    body = properties.rstrip()[:-1].rstrip()
    comma = b"" if body == b"{" else b","
    return Raw(b"%s%s%s:%s}" % (body, comma, key, rest))


def object_of(raw: Raw | msgspec.UnsetType, path: str) -> bytes:
    """A JSON object's bytes; `{}` for null and nothing.

    Raises:
        Bad: it is something else.
    """
    if not isinstance(raw, Raw):
        return b"{}"
    json = bytes(raw)
    if json.startswith(b"{"):
        return json
    if json.strip() == b"null":
        return b"{}"
    raise Bad(f"Expected `object`, got `{json[:20].decode(errors='replace')}`", path)


class Devices:
    """Devices of one body, so that events of one device share the object: its columns are then encoded once."""

    def __init__(self) -> None:
        self._known: dict[Device, Device] = {}

    def same(self, device: Device) -> Device:
        """The device that is equal to this one."""
        return self._known.setdefault(device, device)

    def only(self) -> Device:
        """The one device that the body is from; none when there are several."""
        return next(iter(self._known)) if len(self._known) == 1 else Device()


def looks_made(value: str) -> bool:
    """Whether an id has the shape of a UUID: clients make such ids for people they do not know."""
    if len(value) != _UUID_DIGITS:
        return False
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True
