"""The event, the batch's parts and the collector's reply, as they are on the wire.

One snake_case name everywhere: SDK argument, JSON key, ClickHouse column. Fields that are not set are left out.
"""

from __future__ import annotations

from collections.abc import Mapping  # msgspec reads annotations at run time
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

import msgspec

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

MAX_EVENT_BYTES: Final = 64 * 1024
MAX_BATCH_EVENTS: Final = 1000
MAX_BODY_BYTES: Final = 5 * 1024 * 1024

EventType = Literal["track", "page", "screen", "identify", "link", "unlink", "logout", "consent"]
DeviceType = Literal[
    "phone", "tablet", "desktop", "tv", "watch", "car", "kiosk", "atm", "pos", "server", "other"
]  # fmt: skip


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The device an event happened on; what is not given to a Client is filled in from the system.

    Attributes:
        id: names this installation; made once and kept on disk when left out.
        type: the kind of device. `kiosk`, `atm` and `pos` shorten the session to 2 minutes; a `server` speaks for
            many people: it has no session of its own and remembers nobody.
        os: e.g. ``Linux``.
        os_version: e.g. ``6.1``.
        manufacturer: e.g. ``Diebold``.
        model: e.g. ``DN200``.
        app_version: version of the app that uses the SDK.
        locale: BCP 47, e.g. ``de-AT``.
        timezone: IANA name, e.g. ``Europe/Vienna``.
        screen_width: pixels.
        screen_height: pixels.
    """

    id: str = ""
    type: DeviceType | Literal[""] = ""
    os: str = ""
    os_version: str = ""
    manufacturer: str = ""
    model: str = ""
    app_version: str = ""
    locale: str = ""
    timezone: str = ""
    screen_width: int = 0
    screen_height: int = 0


class Page(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The page an event happened on."""

    url: str = ""
    title: str = ""
    referrer: str = ""


class Campaign(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What brought the person here; the collector also reads it from the page's URL."""

    source: str = ""
    medium: str = ""
    name: str = ""
    term: str = ""
    content: str = ""
    click_id: str = ""


IdentifierValue = str | int
"""An identifier as an app holds it: a text, a number or a UUID (which is taken by its text)."""


class _CommonTags(TypedDict, total=False):
    email: str | None
    phone: str | None
    identifiers: Mapping[str, IdentifierValue | UUID | None] | None
    channel: str | None
    stage: str | None
    session_id: str | None
    device_id: str | None
    device: Device | Mapping[str, Any] | None
    page: Page | Mapping[str, str | None] | None
    campaign: Campaign | Mapping[str, str | None] | None
    occurred_at: datetime | None
    event_id: str | UUID | None


class IdentifyTags(_CommonTags, total=False):
    """The tags of `identify`, whose `user` is an argument of its own."""


class Tags(_CommonTags, total=False):
    """What any call may say about its event, instead of what the Client or Scope says.

    Keys:
        user: the login; with `email`, `phone` and `identifiers` it replaces, for this event, everyone remembered.
        email: an address, or its SHA-256 as 64 hex digits.
        phone: a number, or its SHA-256 as 64 hex digits.
        identifiers: any other namespaces, e.g. ``{"loyalty": "L-77"}``.
        channel: e.g. ``web``, ``atm``, or a word of your own.
        stage: journey stage, e.g. ``consideration``, or a word of your own.
        session_id: the session, where the app keeps its own.
        device_id: the device, where the event happened on another one.
        device: the same with more to tell; excludes `device_id`.
        page: where it happened.
        campaign: what brought the person here.
        occurred_at: when it happened, with a time zone; now when left out.
        event_id: a UUID of your own, so that a repeated call is one event.
    """

    user: IdentifierValue | UUID | None


class WireEvent(msgspec.Struct, omit_defaults=True, gc=False):
    """One event about to be encoded; the parts that many events share are encoded already (`msgspec.Raw`)."""

    event_id: str
    type: str
    occurred_at: str
    name: str = ""
    seq: int = 0
    device: msgspec.Raw | Device | None = None
    identifiers: msgspec.Raw | dict[str, str] | None = None
    channel: str | None = None
    stage: str | None = None
    session_id: str | None = None
    linked: msgspec.Raw | None = None
    page: msgspec.Raw | Page | None = None
    campaign: msgspec.Raw | Campaign | None = None
    consent: msgspec.Raw | None = None
    properties: msgspec.Raw | None = None


class Rejection(msgspec.Struct, frozen=True):
    """One event that the collector did not accept."""

    index: int
    event_id: str | None = None
    reason: str = ""
    path: str = ""


class Reply(msgspec.Struct, frozen=True):
    """The collector's answer to a batch."""

    accepted: int
    rejected: list[Rejection] = []


encoder: Final = msgspec.json.Encoder()


def encoded(value: object) -> msgspec.Raw:
    """Return the value as JSON that is copied, not encoded again, into an event."""
    return msgspec.Raw(encoder.encode(value))
