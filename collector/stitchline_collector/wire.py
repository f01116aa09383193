"""The native protocol as types: what a client may send, before anything is done to it.

Unknown fields are refused per event and kept in `failed_events`: a misspelt field must not vanish, and an event of a
newer protocol can be replayed after an upgrade.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

Short = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=2048)]
Url = Annotated[str, Meta(max_length=8192)]
Moment = Annotated[dt.datetime, Meta(tz=True)]
Identifiers = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=32),
]
Consent = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=64)], bool], Meta(max_length=32)]
EventType = Literal["track", "page", "screen", "identify", "link", "unlink", "logout", "consent"]
Pixels = Annotated[int, Meta(ge=0, le=65535)]

# gc=False: these hold no cycles, and thousands of them live while a request waits for its commit; tracking them would
# make every collection read them all.


class Device(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True, frozen=True):
    """The installation an event happened on."""

    id: Short = ""
    type: Short = ""
    os: Short = ""
    os_version: Short = ""
    manufacturer: Short = ""
    model: Short = ""
    app_version: Short = ""
    locale: Short = ""
    timezone: Short = ""
    screen_width: Pixels = 0
    screen_height: Pixels = 0


class Page(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True, frozen=True):
    """The page an event happened on."""

    url: Url = ""
    title: Text = ""
    referrer: Url = ""


class Campaign(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True, frozen=True):
    """What brought the visitor."""

    source: Short = ""
    medium: Short = ""
    name: Short = ""
    term: Short = ""
    content: Short = ""
    click_id: Annotated[str, Meta(max_length=512)] = ""


class Sdk(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True, frozen=True):
    """The client library that sent the batch."""

    name: Short = ""
    version: Short = ""


class Event(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    """One event; a field left out takes the batch's value."""

    event_id: uuid.UUID | None = None
    type: EventType
    name: Short = ""
    occurred_at: Moment | None = None
    seq: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    device: Device | UnsetType = UNSET
    identifiers: Identifiers | UnsetType = UNSET
    linked: Identifiers = msgspec.field(default_factory=dict)
    channel: Short | UnsetType = UNSET
    stage: Short = ""
    session_id: Short | UnsetType = UNSET
    page: Page | None = None
    campaign: Campaign | None = None
    consent: Consent | UnsetType = UNSET
    properties: Raw = Raw(b"{}")


class Defaults(msgspec.Struct, gc=False, kw_only=True):
    """What a batch says once for all its events."""

    sent_at: Moment | None = None
    sdk: Sdk = Sdk()
    device: Device = Device()
    identifiers: Identifiers = msgspec.field(default_factory=dict)
    channel: Short = ""
    session_id: Short = ""
    consent: Consent = msgspec.field(default_factory=dict)


class Batch(Defaults, gc=False, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /v1/events`."""

    events: list[Event]


class Envelope(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A batch opened but not read: every part is still JSON, so that one bad part spoils no other."""

    events: list[Raw]
    sent_at: Raw | UnsetType = UNSET
    sdk: Raw | UnsetType = UNSET
    device: Raw | UnsetType = UNSET
    identifiers: Raw | UnsetType = UNSET
    channel: Raw | UnsetType = UNSET
    session_id: Raw | UnsetType = UNSET
    consent: Raw | UnsetType = UNSET
