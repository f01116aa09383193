"""Segment's messages, which RudderStack's clients send too.

Enters: the body of a batch, or of one call. Leaves: our events. Guaranteed: what has no column is found in `properties.segment`,
under the name it had in the message; e-mails and phone numbers of traits become identifiers, which are hashed.

Source: https://segment.com/docs/connections/spec/ and the clients themselves; RudderStack adds `merge` and `sessionId`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..decode import Decoded, Limits, TooManyEvents, Unreadable, mend_surrogates
from ..wire import Defaults, Event, EventType
from .opened import (
    SHORT,
    Bad,
    Devices,
    aware,
    decode_any,
    decode_parts,
    encode,
    event_id,
    faults,
    looks_made,
    moment,
    name_of,
    object_of,
    one_by_one,
    possible,
    take_contacts,
    timed,
    with_rest,
)
from .segment_context import NOTHING, Context, Contexts, page_of

NAME = "segment"
CALLS: Mapping[str, str] = {
    **{name: name for name in "identify track page screen group alias merge".split()},
    **{name[0]: name for name in "identify track page screen group alias".split() if name != "screen"},
    "s": "screen",
}
_TYPES: dict[str, EventType] = {
    "track": "track",
    "page": "page",
    "screen": "screen",
    "identify": "identify",
    "group": "track",
    "alias": "link",
    "merge": "link",
}
_SAY_NOTHING = frozenset({b"null", b"{}", b'""'})
_TIMES = ("timestamp", "original_timestamp", "received_at", "sent_at")
_RUDDER_NAMES = {"mobile": "phone", "userId": "user", "anonymousId": "anonymous"}

Id = str | int | float | None


class _Message(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    type: str = ""
    message_id: Id = None
    user_id: Id = None
    anonymous_id: Id = None
    event: str | None = None
    name: str | None = None
    properties: Raw | UnsetType = UNSET
    traits: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    timestamp: dt.datetime | None = None
    original_timestamp: dt.datetime | None = None
    received_at: dt.datetime | None = None
    sent_at: dt.datetime | None = None
    previous_id: Id = None
    channel: str | None = None
    write_key: str | None = None
    # No column is theirs.
    integrations: Raw | UnsetType = UNSET
    category: Raw | UnsetType = UNSET
    group_id: Raw | UnsetType = UNSET
    version: Raw | UnsetType = UNSET
    metadata: Raw | UnsetType = msgspec.field(name="_metadata", default=UNSET)


_WIRE_NAMES = {field.name: field.encode_name for field in msgspec.structs.fields(_Message)}
_KNOWN = frozenset(_WIRE_NAMES.values())
_ASIDE = tuple(
    (name, _WIRE_NAMES[name]) for name in "integrations category group_id version metadata".split()
)


class _Batch(msgspec.Struct, rename="camel"):
    batch: list[_Message]
    sent_at: dt.datetime | None = None
    write_key: str = ""
    context: Raw | UnsetType = UNSET
    integrations: Raw | UnsetType = UNSET


class _Pieces(msgspec.Struct, rename="camel", omit_defaults=True):
    batch: list[Raw]
    sent_at: Raw | UnsetType = UNSET
    write_key: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    integrations: Raw | UnsetType = UNSET


_batch = msgspec.json.Decoder(_Batch)
_pieces = msgspec.json.Decoder(_Pieces)
_message = msgspec.json.Decoder(_Message)


def open_body(body: bytes, call: str = "") -> OpenedSegment:
    """Read a body.

    Args:
        body: JSON, inflated.
        call: The call that the address names, e.g. `track`, whose body is one message; empty for a batch.

    Raises:
        Unreadable: it is no batch, or no message.
    """
    try:
        if call:
            parts = decode_parts(body)
            parts.setdefault("type", Raw(encode(call)))
            key, sent = parts.pop("writeKey", UNSET), parts.get("sentAt", UNSET)
            return OpenedSegment(None, _Pieces([Raw(encode(parts))], sent, key), "$")
        if not body.isascii():
            body.decode()
        return OpenedSegment(_batch.decode(body), None, "$.batch")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _opened_in_pieces(body, call, error)


def _opened_in_pieces(body: bytes, call: str, error: Exception) -> OpenedSegment:
    mended = mend_surrogates(body)
    if call:
        if mended == body:
            raise Unreadable(str(error)) from None
        return open_body(mended, call)
    try:
        return OpenedSegment(None, _pieces.decode(mended), "$.batch")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as still:
        raise Unreadable(str(still)) from None


class OpenedSegment:
    """A body of messages: read already, or in pieces where something in it could not be."""

    def __init__(self, batch: _Batch | None, pieces: _Pieces | None, at: str) -> None:
        self._batch = batch
        self._pieces = pieces
        self._at = at

    @property
    def key(self) -> str:
        """The write key in the body."""
        if self._batch is not None:
            return self._batch.write_key
        value = _plain(self._pieces.write_key) if self._pieces is not None else ""
        return value if isinstance(value, str) else ""

    def decoded(self, source: str, limits: Limits) -> Decoded:
        """Its events.

        Raises:
            TooManyEvents: more than `limits.max_batch_events`.
        """
        around = self._batch or self._pieces
        assert around is not None  # noqa: S101 -- one of both is always there
        if len(around.batch) > limits.max_batch_events:
            raise TooManyEvents(
                f"{len(around.batch):,} messages in one batch, at most {limits.max_batch_events:,} are taken"
            )
        sent_at = self._batch.sent_at if self._batch is not None else _sent_at(around)
        reader = _Reader(
            source, _shared(around.context), _shared(around.integrations), possible(aware(sent_at))
        )
        if self._batch is not None:
            events = reader.all(self._batch, limits)
            if events is not None:
                return Decoded(reader.defaults(), events, [])
        pieces = _split(around)
        events, rejected = one_by_one(
            pieces.batch, self._at, reader.read_piece, lambda one: _alone(pieces, one), limits
        )
        return Decoded(reader.defaults(), events, rejected)


def _shared(raw: Raw | UnsetType) -> bytes:
    """An object around the messages; what is none is not shared by them."""
    try:
        return object_of(raw, "$")
    except Bad:
        return b"{}"


def _split(batch: _Batch | _Pieces) -> _Pieces:
    """The batch in pieces again, after a fault in one of its messages."""
    if isinstance(batch, _Pieces):
        return batch
    pieces = _Pieces([Raw(_encode_message(one)) for one in batch.batch])
    pieces.context, pieces.integrations = batch.context, batch.integrations
    if batch.sent_at is not None:
        pieces.sent_at = Raw(encode(batch.sent_at))
    return pieces


def _encode_message(message: _Message) -> bytes:
    fields = {
        wire: value
        for name, wire in _WIRE_NAMES.items()
        if (value := getattr(message, name)) is not None and value is not UNSET and value != ""
    }
    return encode(fields)


def _sent_at(pieces: Any) -> dt.datetime | None:
    try:
        return moment(_plain(pieces.sent_at), "$.sentAt")
    except Bad:
        return None  # a clock that cannot be read corrects nothing


def _plain(raw: Raw | UnsetType) -> Any:
    """The value of a part; None where it is missing or broken."""
    try:
        return decode_any(raw) if isinstance(raw, Raw) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _alone(pieces: _Pieces, message: Raw) -> bytes:
    """A batch of one message that can be read again; without the key, which opened the door once."""
    return encode(
        _Pieces([message], sent_at=pieces.sent_at, context=pieces.context, integrations=pieces.integrations)
    )


class _Reader:
    """Reads the messages of one batch."""

    def __init__(self, source: str, context: bytes, integrations: bytes, sent_at: dt.datetime | None) -> None:
        self._source = source
        self._integrations = integrations
        self._devices = Devices()
        self._contexts = Contexts(context, self._devices)
        self._sent_at = sent_at

    def defaults(self) -> Defaults:
        """What the events of the batch share."""
        return Defaults(sent_at=self._sent_at, sdk=self._contexts.sdk(), device=self._devices.only())

    def all(self, batch: _Batch, limits: Limits) -> list[Event] | None:
        """The events of a batch that is sound; None where it is not."""
        try:
            events = [self.read(message, {}) for message in batch.batch]
        except (Bad, msgspec.MsgspecError, RecursionError):
            return None
        return events if all(faults(event, limits) is None for event in events) else None

    def read_piece(self, piece: Raw) -> Event:
        """The event of a message in which something may be wrong or unknown."""
        fields = decode_parts(piece)
        rest = {name: fields.pop(name) for name in list(fields) if name not in _KNOWN}
        for name in _TIMES:
            wire = _WIRE_NAMES[name]
            if wire in fields:
                fields[wire] = Raw(encode(moment(decode_any(fields[wire]), f".{wire}")))
        bytes(piece).decode()
        return self.read(_message.decode(encode(fields)), rest)

    def read(self, message: _Message, rest: dict[str, Raw]) -> Event:
        """The event of a message.

        Args:
            message: What is known of it.
            rest: What is not.
        """
        kind = message.type
        event_type = _TYPES.get(kind)
        if event_type is None:
            raise Bad(f"unknown type {kind!r}", ".type")
        context = self._contexts.read(object_of(message.context, ".context"))
        self._set_aside(message, rest)
        if self._sent_at is None:
            self._sent_at = possible(aware(message.sent_at))
        identifiers = dict(context.identifiers)
        linked: dict[str, str] = {}
        user, anonymous = name_of(message.user_id), name_of(message.anonymous_id)
        if user:
            identifiers["user"] = user
        if anonymous:
            identifiers["anonymous"] = anonymous
        properties = _content(message, context, identifiers, rest)
        if kind == "alias":
            linked = _previous(message, user, anonymous)
        elif kind == "merge":
            identifiers, linked = _merged(rest)
        page = context.page
        if page is None and kind == "page":
            page = page_of(decode_any(properties))
        event = Event(
            event_id=event_id(NAME, self._source, name_of(message.message_id)),
            type=event_type,
            name=_name(message),
            occurred_at=_occurred_at(message),
            device=context.device,
            identifiers=identifiers,
            linked=linked,
            channel=_channel(message.channel, context),
            session_id=context.session_id,
            page=page,
            campaign=context.campaign,
            consent=context.consent,
            properties=with_rest(properties, NAME, _rest(rest, context)),
        )
        return timed(event, self._sent_at)

    def _set_aside(self, message: _Message, rest: dict[str, Raw]) -> None:
        """Add to the rest what is known, and has no column."""
        for name, wire in _ASIDE:
            value = getattr(message, name)
            if value is not UNSET and bytes(value) not in _SAY_NOTHING:
                rest[wire] = value
        if self._integrations != b"{}":
            rest.setdefault("integrations", Raw(self._integrations))
        if message.event and message.type != "track":
            rest["event"] = Raw(encode(message.event))
        if message.name and message.type not in ("page", "screen"):
            rest["name"] = Raw(encode(message.name))


def _rest(rest: dict[str, Raw], context: Context) -> bytes:
    if not rest:
        return context.rest
    if context.rest is NOTHING:
        return encode(rest)
    return b"%s,%s" % (encode(rest)[:-1], context.rest[1:])


def _content(message: _Message, context: Context, identifiers: dict[str, str], rest: dict[str, Raw]) -> bytes:
    """What becomes the properties: of an `identify` its traits, which RudderStack's clients send in the context."""
    properties = object_of(message.properties, ".properties")
    traits = object_of(message.traits, ".traits")
    if message.type == "identify":
        if properties != b"{}":
            rest["properties"] = Raw(properties)
        return context.traits if traits == b"{}" else _without_contacts(traits, identifiers)
    if traits != b"{}":
        rest["traits"] = Raw(traits)
    return properties


def _name(message: _Message) -> str:
    if message.type == "track":
        return message.event or ""
    if message.type in ("page", "screen"):
        return message.name or ""
    return "" if message.type == "identify" else message.type


def _occurred_at(message: _Message) -> dt.datetime | None:
    """When it happened by the client's clock.

    Clients send `timestamp`, RudderStack's `originalTimestamp`. What has gone through a server already has both, and there
    `timestamp` is corrected.
    """
    if message.received_at is not None:
        return aware(message.original_timestamp or message.timestamp)
    return aware(message.timestamp or message.original_timestamp)


def _channel(given: str | None, context: Context) -> str:
    """The channel where page and device, from which it is told otherwise, do not say more."""
    if given in ("mobile", "app"):
        return "app"
    if given in ("browser", "web"):
        return "" if context.page is not None else "web"
    return given[:SHORT] if given and given != "server" else ""


def _without_contacts(traits: bytes, identifiers: dict[str, str]) -> bytes:
    if b'"email"' not in traits and b'"phone"' not in traits:
        return traits
    fields = decode_any(traits)
    if not isinstance(fields, dict):
        return traits
    take_contacts(fields, identifiers)
    return encode(fields)


def _previous(message: _Message, user: str, anonymous: str) -> dict[str, str]:
    """The other side of an alias.

    It may be an anonymous id or an earlier user's; clients make UUIDs for the first. Where logins are UUIDs too, it counts as
    both: one of the two was never seen, and joins nothing.
    """
    previous = name_of(message.previous_id)
    if not previous or not user:
        raise Bad("an `alias` needs `previousId` and `userId`", ".previousId")
    if previous == anonymous:
        return {"anonymous": previous}
    if not looks_made(previous):
        return {"user": previous}
    return {"anonymous": previous, "user": previous} if looks_made(user) else {"anonymous": previous}


def _merged(rest: dict[str, Raw]) -> tuple[dict[str, str], dict[str, str]]:
    """The two sides of RudderStack's `merge`."""
    pairs = decode_any(rest.pop("mergeProperties", Raw(b"null")))
    if not isinstance(pairs, list) or len(pairs) != 2:
        raise Bad("a `merge` needs two `mergeProperties`", ".mergeProperties")
    one, other = (
        {_RUDDER_NAMES.get(kind, kind): name_of(pair.get("value"))}
        if isinstance(pair, dict) and isinstance(kind := pair.get("type"), str)
        else {}
        for pair in pairs
    )
    if not all([*one.values(), *other.values(), one, other]):
        raise Bad("each of `mergeProperties` needs `type` and `value`", ".mergeProperties")
    return one, other
