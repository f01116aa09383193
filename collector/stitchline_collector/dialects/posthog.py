"""PostHog's events.

Enters: a body as PostHog's clients send it, in any of its forms. Leaves: our events. Guaranteed: `properties` is what the client
sent, under its own names; only e-mails, phone numbers and whole IP addresses are taken out of it.

Source: https://posthog.com/docs/api/capture and the clients themselves.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Raw

from ..decode import Decoded, Limits, TooManyEvents, Unreadable, mend_surrogates
from ..wire import Defaults, Device, Event, EventType, Page, Sdk
from .opened import (
    SHORT,
    TEXT,
    URL,
    Bad,
    Devices,
    cut_address,
    decode_any,
    encode,
    event_id,
    looks_made,
    moment,
    name_of,
    one_by_one,
    part,
    pixels_in,
    possible,
    take_contacts,
    text_in,
    timed,
)

NAME = "posthog"
_GZIP = b"\x1f\x8b"
_TYPES: dict[str, EventType] = {
    "$pageview": "page",
    "$screen": "screen",
    "$identify": "identify",
    "$set": "identify",
    "$set_once": "identify",
    "$create_alias": "link",
    "$merge_dangerously": "link",
}
_DEVICE_TYPES = {
    "Mobile": "phone",
    "Desktop": "desktop",
    "Tablet": "tablet",
    "TV": "tv",
    "Console": "tv",
    "Wearable": "watch",
    "Car": "car",
}
_KEYS = ("api_key", "token", "$token")
_AROUND = ("distinct_id", "$set", "$set_once")  # beside `properties` in some clients, inside in others
_ENVELOPE = frozenset(
    {
        "event",
        "properties",
        "timestamp",
        "uuid",
        "offset",
        *_KEYS,
        "$distinct_id",
        *_AROUND,
    }
)


def open_body(body: bytes, query: Mapping[str, str], content_type: str, limit: int) -> OpenedPostHog:
    """Read a body.

    Args:
        body: As it came, inflated where a header said so.
        query: Of the address: `_` is when it was sent, in milliseconds; a GET's `data` is the body.
        content_type: A form's body is `data=...`.
        limit: Most bytes of the result.

    Raises:
        Unreadable: it is none of the forms, or inflates to more than `limit`.
    """
    try:
        found = decode_any(_json_of(body, query, content_type, limit))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, zlib.error, binascii.Error) as error:
        raise Unreadable(str(error)) from None
    envelope: dict[str, Any] = {}
    if isinstance(found, dict) and isinstance(found.get("batch"), list):
        envelope, events = found, found["batch"]
    elif isinstance(found, dict):
        envelope, events = found, [found]
    elif isinstance(found, list):
        events = found
    else:
        raise Unreadable("neither an event nor a batch of events")
    sent_at = envelope.get("sent_at") or envelope.get("sentAt") or query.get("_")
    return OpenedPostHog(events, _key_of(envelope, events, query), sent_at)


def _json_of(body: bytes, query: Mapping[str, str], content_type: str, limit: int) -> bytes:
    body = body or query.get("data", "").encode()
    if body.startswith(_GZIP):
        body = _unzipped(body, limit)
    if content_type == "application/x-www-form-urlencoded" or body.startswith(b"data="):
        body = "".join(parse_qs(body.decode()).get("data", [])).replace(" ", "+").encode()
    text = body.lstrip()
    if text and text[:1] not in b"{[":
        body = base64.b64decode(text + b"=" * (-len(text) % 4))
        if body.startswith(_GZIP):
            body = _unzipped(body, limit)
    body.decode()
    return mend_surrogates(body)


def _unzipped(body: bytes, limit: int) -> bytes:
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    found = unzip.decompress(body, limit)
    if unzip.unconsumed_tail:
        raise Unreadable(f"more than {limit:,} bytes inflated")
    if not unzip.eof:
        raise Unreadable("the gzip stream is cut off")
    return found


def _key_of(envelope: dict[str, Any], events: list[Any], query: Mapping[str, str]) -> str:
    first = events[0] if events and isinstance(events[0], dict) else {}
    for place in (envelope, first, part(first, "properties"), query):
        for name in _KEYS:
            found = place.get(name)
            if isinstance(found, str) and found:
                return found
    return ""


class OpenedPostHog:
    """A body of events.

    Attributes:
        key: The project's key.
    """

    def __init__(self, events: list[Any], key: str, sent_at: object) -> None:
        self.key = key
        self._events = events
        self._sent_at = sent_at

    @property
    def uuids(self) -> list[str]:
        """Ids of the events, as the client gave them; empty text where it gave none."""
        return [name_of(one.get("uuid")) if isinstance(one, dict) else "" for one in self._events]

    def decoded(self, source: str, limits: Limits) -> Decoded:
        """Its events.

        Raises:
            TooManyEvents: more than `limits.max_batch_events`.
        """
        if len(self._events) > limits.max_batch_events:
            raise TooManyEvents(
                f"{len(self._events):,} events in one batch, at most {limits.max_batch_events:,} are taken"
            )
        try:
            sent_at = possible(moment(self._sent_at, "$.sent_at"))
        except Bad:
            sent_at = None  # a clock that cannot be read corrects nothing
        reader = _Reader(source, sent_at)
        at = "$.batch" if len(self._events) != 1 else "$"
        events, rejected = one_by_one(self._events, at, reader.read, self._alone, limits)
        return Decoded(
            Defaults(sent_at=sent_at, sdk=reader.sdk, device=reader.devices.only()), events, rejected
        )

    def _alone(self, event: Any) -> bytes:
        """A batch of one event that can be read again; without the key, which posthog-js repeats in the properties."""
        if isinstance(event, dict):
            event = _without_key(event)
            if said := part(event, "properties"):
                event["properties"] = _without_key(said)
        return encode({"batch": [event], "sent_at": self._sent_at})


def _without_key(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _KEYS}


class _Reader:
    """Reads the events of one body."""

    def __init__(self, source: str, sent_at: dt.datetime | None) -> None:
        self.devices = Devices()
        self.sdk = Sdk()
        self._source = source
        self._sent_at = sent_at

    def read(self, given: Any) -> Event:
        """The event of an object."""
        if not isinstance(given, dict):
            raise Bad("Expected `object`")
        given_name = given.get("event")
        if given_name is None and ("$set" in given or "$set_once" in given):
            given_name = "$set"  # of /engage/
        if not isinstance(given_name, str):
            raise Bad("`event` is missing", ".event")
        properties = _properties(given)
        distinct = name_of(properties.pop("distinct_id", given.get("$distinct_id")))
        known = {} if properties.get("$is_server") is True else properties
        device = self.devices.same(_device(properties, known))
        identifiers, linked = _who(given_name, distinct, properties)
        cut_address(properties, "$ip")
        if not self.sdk.name:
            self.sdk = Sdk(_text(properties.get("$lib")), _text(properties.get("$lib_version")))
        page = Page(
            text_in(properties, "$current_url", URL),
            text_in(properties, "title", TEXT),
            _referrer(properties),
        )
        screen_name = properties.get("$screen_name")
        event = Event(
            event_id=event_id(NAME, self._source, name_of(given.get("uuid"))),
            type=_type(given_name, linked),
            name=_name(given_name, screen_name),
            occurred_at=self._occurred_at(given),
            device=device,
            identifiers=identifiers,
            linked=linked,
            channel="",
            session_id=text_in(properties, "$session_id"),
            page=page if page.url or page.title or page.referrer else None,
            consent={},
            properties=Raw(encode(properties)),
        )
        return timed(event, self._sent_at)

    def _occurred_at(self, given: dict[str, Any]) -> dt.datetime | None:
        found = moment(given.get("timestamp"), ".timestamp")
        if found is None and isinstance(given.get("offset"), (int, float)) and self._sent_at is not None:
            try:
                return self._sent_at - dt.timedelta(milliseconds=given["offset"])
            except OverflowError:
                raise Bad(f"{given['offset']} is outside 1970 to 2199", ".offset") from None
        return found


def _properties(given: dict[str, Any]) -> dict[str, Any]:
    """Properties, and what some clients put beside them."""
    said = given.get("properties")
    if said is not None and not isinstance(said, dict):
        raise Bad("Expected `object`", ".properties")
    properties = dict(said or {})
    for name, value in given.items():
        if name in _AROUND or name not in _ENVELOPE:
            properties.setdefault(name, value)
    for name in ("token", "api_key"):
        properties.pop(name, None)
    return properties


def _type(name: str, linked: dict[str, str]) -> EventType:
    found = _TYPES.get(name, "track")
    return "track" if found == "link" and not linked else found


def _name(given: str, screen: object) -> str:
    """Pages and screens are told apart by what they show; our type says that they are one."""
    if given == "$screen" and isinstance(screen, str):
        return screen
    return "" if given in ("$pageview", "$screen", "$identify") else given


def _who(name: str, distinct: str, properties: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Identifiers, and the other side of a link.

    `distinct_id` is a user's, or one that the client made for somebody it does not know. The client says which: it marks
    people as identified or not, and its own id equals the device's.
    """
    identifiers: dict[str, str] = {}
    linked: dict[str, str] = {}
    anonymous = name_of(properties.get("$anon_distinct_id"))
    device = name_of(properties.get("$device_id"))
    if name in ("$create_alias", "$merge_dangerously"):
        other = name_of(properties.get("alias"))
        if not other or not distinct:
            raise Bad("an alias needs `distinct_id` and `alias`", ".properties.alias")
        identifiers, linked = _namespace(distinct, device), _namespace(other, device)
        if "user" not in identifiers and "user" in linked:
            identifiers, linked = linked, identifiers  # the user's side comes first
    elif distinct:
        if name != "$identify" and _is_unknown(distinct, device, properties):
            identifiers["anonymous"] = distinct
        else:
            identifiers["user"] = distinct
        if name == "$identify" and anonymous and anonymous != distinct:
            identifiers["anonymous"] = anonymous
    for place in ("$set", "$set_once"):
        if traits := part(properties, place):
            traits = properties[place] = dict(traits)
            take_contacts(traits, identifiers)
    return identifiers, linked


def _is_unknown(distinct: str, device: str, properties: dict[str, Any]) -> bool:
    if "$is_identified" in properties:
        return properties["$is_identified"] is not True
    if properties.get("$user_state") in ("anonymous", "identified"):
        return bool(properties["$user_state"] == "anonymous")
    return distinct == device or (properties.get("$process_person_profile") is False and looks_made(distinct))


def _namespace(value: str, device: str) -> dict[str, str]:
    """One side of an alias: clients make UUIDs for people they do not know."""
    return {"anonymous": value} if value == device or looks_made(value) else {"user": value}


def _device(properties: dict[str, Any], known: dict[str, Any]) -> Device:
    """The device; a server's own system is not the person's."""
    return Device(
        id=name_of(properties.get("$device_id"))[:SHORT],
        type=_DEVICE_TYPES.get(_text(known.get("$device_type")), ""),
        os=text_in(known, "$os") or text_in(known, "$os_name"),
        os_version=text_in(known, "$os_version"),
        manufacturer=text_in(known, "$device_manufacturer"),
        model=text_in(known, "$device_model"),
        app_version=text_in(known, "$app_version"),
        locale=text_in(known, "$browser_language") or text_in(known, "$locale"),
        timezone=text_in(known, "$timezone"),
        screen_width=pixels_in(known, "$screen_width"),
        screen_height=pixels_in(known, "$screen_height"),
    )


def _referrer(known: dict[str, Any]) -> str:
    found = text_in(known, "$referrer", URL)
    return "" if found == "$direct" else found


def _text(value: object) -> str:
    return value[:SHORT] if isinstance(value, str) else ""
