"""Tags as the app gives them, checked and encoded once.

In: the keyword arguments of a call. Out: an event that lacks only what is given under the lock.
Guaranteed: a wrong type or an unknown name raises `InvalidEvent` that names the field; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from stitchline._device import device_from
from stitchline._event import Campaign, Device, Page, Tags, WireEvent, encoder
from stitchline._exceptions import InvalidEvent
from stitchline._identifiers import check_unicode, identifier_text
from stitchline._ids import utc_text

if TYPE_CHECKING:
    from stitchline._identifiers import Cleaner

_MORE_WHO: Final = frozenset({"email", "phone", "identifiers"})
_DEVICE: Final = frozenset({"device_id", "device"})
_encode: Final = encoder.encode
_convert: Final = msgspec.convert
_Part = TypeVar("_Part", Page, Campaign)


class Tagged(msgspec.Struct, frozen=True):
    """What every event of a speaker carries, encoded; None is left out on the wire."""

    device: msgspec.Raw | None = None
    identifiers: msgspec.Raw | None = None
    channel: str | None = None
    stage: str | None = None
    session_id: str | None = None
    page: msgspec.Raw | None = None
    campaign: msgspec.Raw | None = None
    consent: msgspec.Raw | None = None


def tagged(  # noqa: C901, PLR0912 - one straight loop: this is the hot path
    defaults: Tagged,
    tags: Tags,
    cleaner: Cleaner,
    kind: str,
    name: str,
    linked: msgspec.Raw | None,
    properties: msgspec.Raw | None,
) -> WireEvent:
    """Return an event with the tags of one call in the place of the defaults; id, time and `seq` come later.

    Its parts are copies that nobody else holds, of plain types: to encode it runs no code of the app.

    Raises:
        InvalidEvent: a tag is unknown or of a wrong type.
    """
    user: Any = None
    event_id = occurred_at = ""
    device: msgspec.Raw | Device | None = defaults.device
    who: msgspec.Raw | dict[str, str] | None = defaults.identifiers
    channel = defaults.channel
    stage = defaults.stage
    session_id = defaults.session_id
    page: msgspec.Raw | Page | None = defaults.page
    campaign: msgspec.Raw | Campaign | None = defaults.campaign
    more = False
    for tag, value in tags.items():
        given: Any = value
        if given is None:
            continue
        if tag == "user":
            user = given
        elif tag == "page":
            page = part("page", given, Page)
        elif tag == "stage":
            stage = given if type(given) is str and given else text("stage", given)
        elif tag == "channel":
            channel = given if type(given) is str and given else text("channel", given)
        elif tag == "session_id":
            session_id = given if type(given) is str and given else text("session_id", given)
        elif tag in _MORE_WHO:
            more = True
        elif tag in _DEVICE:
            device = device_of(tags.get("device_id"), tags.get("device"))
        elif tag == "campaign":
            campaign = part("campaign", given, Campaign)
        elif tag == "occurred_at":
            occurred_at = time_text(given)
        elif tag == "event_id":
            event_id = uuid_text(given)
        else:
            raise InvalidEvent(tag, given, f"the tags are {', '.join(sorted(Tags.__optional_keys__))}")
    if more:
        who = cleaner.clean(user, tags.get("email"), tags.get("phone"), tags.get("identifiers")) or who
    elif user is not None:
        who = cleaner.user(user) or who
    return WireEvent(
        event_id, kind, occurred_at, name, 0, device, who, channel, stage, session_id, linked, page, campaign,
        defaults.consent, properties,
    )  # fmt: skip


def device_of(device_id: object, device: Device | Mapping[str, Any] | None) -> Device | None:
    """Return the other device an event happened on, or None for the Client's own.

    Raises:
        InvalidEvent: both are given, or one is of a wrong type.
    """
    if device is not None:
        if device_id is not None:
            raise InvalidEvent("device_id", device_id, "pass device_id or device, and the id within it")
        return device_from("device", device)
    return None if device_id is None else Device(id=identifier_text("device_id", device_id))


def text(field: str, value: object) -> str:
    """Return a text that is not empty, also of an enum of texts.

    Raises:
        InvalidEvent: it is something else.
    """
    if isinstance(value, str) and value:
        return value if type(value) is str else str.__str__(value)
    raise InvalidEvent(field, value, "pass a text that is not empty")


def part(field: str, value: object, kind: type[_Part]) -> _Part:
    """Return a page or campaign.

    Raises:
        InvalidEvent: a field of it is unknown or no text.
    """
    if type(value) is dict:
        try:
            return _convert(value, kind)
        except msgspec.ValidationError:
            pass  # it may hold a None, which is left out
    if isinstance(value, kind):
        value = msgspec.structs.asdict(value)
    if not isinstance(value, Mapping):
        raise InvalidEvent(field, value, f"pass a stitchline.{kind.__name__} or a mapping of its fields")
    try:
        return msgspec.convert({key: entry for key, entry in value.items() if entry is not None}, kind)
    except msgspec.ValidationError as error:
        raise InvalidEvent(field, value, str(error)) from None


def flags(value: object) -> dict[str, bool]:
    """Return consent by purpose.

    Raises:
        InvalidEvent: it is no mapping of text to bool, or empty.
    """
    if not isinstance(value, Mapping) or not value:
        raise InvalidEvent("consent", value, "pass a mapping of purpose to bool, such as {'analytics': True}")
    for purpose, given in value.items():
        if not isinstance(purpose, str) or not isinstance(given, bool):
            raise InvalidEvent(f"consent.{purpose}", given, "pass True or False")
        check_unicode("consent", purpose)
    return dict(value)


def properties_json(value: object) -> msgspec.Raw:
    """Return the properties as JSON, a snapshot that later changes do not reach; NaN and infinity become null.

    Raises:
        InvalidEvent: it is no mapping, or holds something JSON has no form for.
    """
    if not isinstance(value, dict):
        if not isinstance(value, Mapping):
            raise InvalidEvent("properties", value, "pass a mapping of names to JSON values")
        value = dict(value)
    try:
        return msgspec.Raw(_encode(value))
    except RecursionError:
        raise InvalidEvent("properties", "a value that contains itself", "nest less deeply") from None
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InvalidEvent("properties", value, f"pass JSON values ({error})") from None


def time_text(value: object) -> str:
    """Return a time with a zone as RFC 3339 in UTC, milliseconds.

    Raises:
        InvalidEvent: it is no datetime, or has no time zone.
    """
    if not hasattr(value, "utcoffset") or not hasattr(value, "timestamp"):
        raise InvalidEvent("occurred_at", value, "pass a datetime")
    if value.utcoffset() is None:
        raise InvalidEvent(
            "occurred_at", value, "pass a datetime with a time zone, such as datetime.now(UTC)"
        )
    return utc_text(round(value.timestamp() * 1000))


def uuid_text(value: object) -> str:
    """Return a UUID as 36 characters.

    Raises:
        InvalidEvent: it is none.
    """
    from uuid import UUID  # only for calls that bring their own id

    try:
        return str(UUID(value if isinstance(value, str) else str(value)))
    except ValueError:
        raise InvalidEvent("event_id", value, "pass a UUID") from None
