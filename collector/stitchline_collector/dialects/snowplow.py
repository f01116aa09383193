"""Snowplow's tracker protocol.

Enters: the body of a POST (`payload_data`), or the query of a GET. Leaves: our events. Guaranteed: parameters that have no column
are found in `properties.snowplow` under their own names, and entities there as `contexts_VENDOR_NAME_MAJOR`, as in Snowplow's own tables.

Source: https://docs.snowplow.io/docs/events/going-deeper/event-parameters/ and the trackers themselves.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ..decode import Decoded, Limits, Unreadable, mend_surrogates
from ..wire import Defaults, Device, Event, EventType, Page, Sdk
from .opened import (
    IDENTIFIER,
    TEXT,
    URL,
    Bad,
    Devices,
    cut_address,
    decode_any,
    encode,
    event_id,
    moment,
    one_by_one,
    part,
    possible,
    take,
    take_pixels,
    timed,
    with_rest,
)

NAME = "snowplow"
VENDOR = "com.snowplowanalytics.snowplow"
PATH = f"/{VENDOR}/tp2"
_SCHEMA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
_IGLU = re.compile(r"iglu:([^/]{1,200})/([^/]{1,200})/[^/]+/(\d+)-(\d+)-(\d+)")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]+")
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DEVICES = {"Mobile": "phone", "Tablet": "tablet", "Computer": "desktop"}
_PLATFORMS = {"tv": "tv", "cnsl": "tv", "iot": "other"}
_CHANNELS = {"mob": "app", "app": "app", "web": ""}
_STRUCTURED = {
    "se_ca": "category",
    "se_ac": "action",
    "se_la": "label",
    "se_pr": "property",
    "se_va": "value",
}
_EVENTS: dict[str, tuple[EventType, str]] = {
    "pv": ("page", ""),
    "pp": ("track", "page_ping"),
    "tr": ("track", "transaction"),
    "ti": ("track", "transaction_item"),
}
_SPENT = ("tv", "e", "p", "dtm", "ttm", "stm", "eid", "ue_pr", "ue_px", "co", "cx")


class _Payload(msgspec.Struct):
    data: list[Raw]
    schema: str = ""


_payload = msgspec.json.Decoder(_Payload)
_parameters = msgspec.json.Decoder(dict[str, Any])


def open_body(body: bytes) -> OpenedSnowplow:
    """Read the body of a POST.

    Raises:
        Unreadable: it is no `payload_data`.
    """
    try:
        body.decode()
        return OpenedSnowplow(_payload.decode(body).data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        mended = mend_surrogates(body)
        if mended == body:
            raise Unreadable(str(error)) from None
    return open_body(mended)


def open_query(query: Mapping[str, str]) -> OpenedSnowplow:
    """Read the query of a GET: one event."""
    return OpenedSnowplow([Raw(encode({name: value for name, value in query.items() if name != "key"}))])


class OpenedSnowplow:
    """A body of events."""

    def __init__(self, data: list[Raw]) -> None:
        self._data = data

    @property
    def key(self) -> str:
        """The app id of the first event: there is no other key in a body."""
        for piece in self._data[:1]:
            try:
                found = _parameters.decode(piece).get("aid")
            except (msgspec.MsgspecError, RecursionError):
                return ""
            return found if isinstance(found, str) else ""
        return ""

    def decoded(self, source: str, limits: Limits) -> Decoded:
        """Its events; however many they are, because a tracker sends what is refused for its size for ever."""
        reader = _Reader(source)
        events, rejected = one_by_one(self._data, "$.data", reader.read, alone, limits)
        return Decoded(reader.defaults(), events, rejected)


def alone(piece: Raw) -> bytes:
    """A body of one event."""
    return encode({"schema": _SCHEMA, "data": [piece]})


class _Entities(NamedTuple):
    """What the entities of an event say, and the entities."""

    data: dict[str, list[Any]]
    by_name: dict[str, dict[str, Any]]


class _Reader:
    """Reads the events of one body."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._devices = Devices()
        self._sent: Any = None
        self._sdk = Sdk()

    def defaults(self) -> Defaults:
        """What the events share."""
        try:
            sent_at = moment(self._sent, ".stm")
        except Bad:
            sent_at = None  # a clock that cannot be read corrects nothing
        return Defaults(sent_at=possible(sent_at), sdk=self._sdk, device=self._devices.only())

    def read(self, piece: Raw) -> Event:
        """The event of an object of parameters."""
        given = _parameters.decode(piece)
        for name in ("tv", "p", "e"):
            if not given.get(name):
                raise Bad(f"`{name}` is missing", f".{name}")
        fields = {name: value for name, value in given.items() if name not in _SPENT}
        self._sent = self._sent or given.get("stm")
        version = str(given["tv"])
        if not self._sdk.name:
            self._sdk = Sdk("snowplow", version[:256])
        elif self._sdk.version != version:
            fields["tv"] = version
        entities = _entities(given)
        event_type, name, properties = _what(given, fields)
        page = Page(take(fields, "url", URL), take(fields, "page", TEXT), take(fields, "refr", URL))
        device = self._devices.same(_device(given, fields, entities))
        session = take(fields, "sid") or _text(_entity(entities, "client_session").get("sessionId"))[:256]
        cut_address(fields, "ip")
        identifiers = _identifiers(fields)
        if given.get("ttm") and given.get("dtm"):
            fields["dtm"] = given["dtm"]
        platform = str(given["p"])
        if platform not in ("web", "mob", "srv"):
            fields["p"] = platform
        rest = fields | entities.data
        event = Event(
            event_id=event_id(NAME, self._source, _text(given.get("eid"))),
            type=event_type,
            name=name,
            occurred_at=moment(given.get("ttm"), ".ttm") or moment(given.get("dtm"), ".dtm"),
            device=device,
            identifiers=identifiers,
            channel=_CHANNELS.get(platform, ""),
            session_id=session,
            page=page if page.url or page.title or page.referrer else None,
            consent={},
            properties=with_rest(encode(properties), NAME, encode(rest)),
        )
        return event if event.occurred_at is not None else timed(event, self.defaults().sent_at)


def _what(given: dict[str, Any], fields: dict[str, Any]) -> tuple[EventType, str, dict[str, Any]]:
    """Type, name and properties."""
    kind = str(given["e"])
    if kind in _EVENTS:
        return *_EVENTS[kind], {}
    if kind == "se":
        properties = {ours: fields.pop(theirs) for theirs, ours in _STRUCTURED.items() if theirs in fields}
        return "track", _text(properties.get("action")), properties
    if kind != "ue":
        raise Bad(f"unknown event type {kind!r}", ".e")
    wrapped, path = _json_of(given, "ue_pr", "ue_px")
    if not isinstance(wrapped, dict):
        raise Bad("a self-describing event needs `ue_pr` or `ue_px`", ".ue_pr")
    inner = part(wrapped, "data")
    schema = _IGLU.fullmatch(_text(inner.get("schema")))
    if schema is None:
        raise Bad("the event names no schema `iglu:VENDOR/NAME/FORMAT/VERSION`", f".{path}.data.schema")
    fields["schema"] = schema[0]
    data = inner.get("data")
    properties = data if isinstance(data, dict) else {"data": data}
    if schema[2] == "screen_view":
        return "screen", _text(properties.get("name")), properties
    return "track", schema[2], properties


def _json_of(given: dict[str, Any], plain: str, coded: str) -> tuple[Any, str]:
    """A JSON that is given as text or in base64, and by which parameter."""
    if given.get(plain):
        return _decoded(_text(given[plain]).encode(), plain), plain
    if given.get(coded):
        text = _text(given[coded])
        try:
            raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError) as error:
            raise Bad(f"broken base64: {error}", f".{coded}") from None
        return _decoded(raw, coded), coded
    return None, ""


def _decoded(json: bytes, name: str) -> Any:
    try:
        return decode_any(mend_surrogates(json))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Bad(f"{name} is no JSON: {error}", f".{name}") from None


def _entities(given: dict[str, Any]) -> _Entities:
    wrapped, path = _json_of(given, "co", "cx")
    found = _Entities({}, {})
    if wrapped is None:
        return found
    entities = wrapped.get("data") if isinstance(wrapped, dict) else None
    if not isinstance(entities, list):
        raise Bad("Expected `{schema, data: [...]}`", f".{path}")
    for entity in entities:
        schema = _IGLU.fullmatch(_text(entity.get("schema"))) if isinstance(entity, dict) else None
        data = entity.get("data") if schema else None
        if schema is None or not isinstance(data, dict):
            found.data.setdefault("contexts", []).append(entity)
            continue
        found.by_name.setdefault(schema[2], data)
        column = f"contexts_{_column(schema[1])}_{_column(schema[2])}_{schema[3]}"
        found.data.setdefault(column, []).append({"_schema_version": "-".join(schema.group(3, 4, 5)), **data})
    return found


def _column(name: str) -> str:
    """A vendor or name as Snowplow writes it in a column: `com.acme/signUp` is com_acme, sign_up."""
    return _NOT_IN_A_NAME.sub("_", _WORD_BEGINS.sub("_", name)).lower()


def _entity(entities: _Entities, name: str) -> dict[str, Any]:
    return entities.by_name.get(name, {})


def _device(given: dict[str, Any], fields: dict[str, Any], entities: _Entities) -> Device:
    mobile, session = _entity(entities, "mobile_context"), _entity(entities, "client_session")
    app, yauaa = _entity(entities, "application"), _entity(entities, "yauaa_context")
    screen: dict[str, Any] = {}
    width, _, height = _text(fields.get("res")).partition("x")
    if width.isdecimal() and height.isdecimal():
        screen = {"width": int(width), "height": int(height)}
        sizes = take_pixels(screen, "width"), take_pixels(screen, "height")
        if not screen:
            del fields["res"]
    else:
        sizes = 0, 0
    kind = _DEVICES.get(_text(fields.get("dvce_type")), "") or _PLATFORMS.get(str(given["p"]), "")
    if not kind and mobile:
        kind = "tablet" if "ipad" in _text(mobile.get("deviceModel")).lower() else "phone"
    return Device(
        id=take(fields, "duid") or _text(session.get("userId"))[:256],
        type=kind,
        os=_text(mobile.get("osType") or yauaa.get("operatingSystemName"))[:256],
        os_version=_text(mobile.get("osVersion") or yauaa.get("operatingSystemVersion"))[:256],
        manufacturer=_text(mobile.get("deviceManufacturer"))[:256],
        model=_text(mobile.get("deviceModel"))[:256],
        app_version=_text(app.get("version"))[:256],
        locale=take(fields, "lang"),
        timezone=take(fields, "tz"),
        screen_width=sizes[0],
        screen_height=sizes[1],
    )


def _identifiers(fields: dict[str, Any]) -> dict[str, str]:
    """Who it was: the user, and the network's cookie, which is an installation's."""
    found = {"user": take(fields, "uid", IDENTIFIER), "anonymous": take(fields, "tnuid", IDENTIFIER)}
    if not found["anonymous"]:
        found["anonymous"] = take(fields, "nuid", IDENTIFIER)
    return {namespace: value for namespace, value in found.items() if value}


def forget_network(decoded: Decoded) -> None:
    """Drop what a tracker in anonymous mode asks not to be known by: the network's cookie; the address is the request's."""
    for event in decoded.events:
        if isinstance(event.identifiers, dict):
            event.identifiers.pop("anonymous", None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
