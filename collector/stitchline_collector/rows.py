"""A row of `events_raw`, and how it becomes a line of JSONCompactEachRow.

The line is built once: it is the write-ahead log and the body of the insert. The columns from `device` on are the same
for all events of a device in a batch, so they are encoded once and copied into each row as `tail`.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import time
import uuid

import msgspec
from msgspec import Raw

from .wire import Campaign, Device, Page, Sdk

EVENT_COLUMNS = (
    "event_id type name occurred_at device_time seq identifiers linked channel stage session_id page campaign consent "
    "properties device sent_at received_at source sdk ip geo agent clock by_server"
).split()
FAILED_COLUMNS = "failure_id received_at source kind event_id reason path raw".split()

_encoder = msgspec.json.Encoder()
encode_lines = _encoder.encode_lines


class Row(msgspec.Struct, array_like=True, gc=False):
    """One event on its way through enrichment; fields in column order, `tail` standing for the last ten."""

    event_id: uuid.UUID
    type: str
    name: str
    occurred_at: dt.datetime
    device_time: dt.datetime
    seq: int
    identifiers: dict[str, str]
    linked: dict[str, str]
    channel: str
    stage: str
    session_id: str
    page: Page
    campaign: Campaign
    consent: dict[str, bool]
    properties: Raw
    tail: Device | Raw  # the event's device until the last step, then `encode_tail` of it


class Geo(msgspec.Struct, gc=False, omit_defaults=True, frozen=True):
    """Where an address is."""

    country: str = ""
    region: str = ""
    city: str = ""


class Agent(msgspec.Struct, gc=False, omit_defaults=True, frozen=True):
    """What a User-Agent header says."""

    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device: str = ""
    is_bot: bool = False


class Clock(msgspec.Struct, gc=False, omit_defaults=True, frozen=True):
    """How far the sender's clock was off (milliseconds to add), and how sure that is (0 to 1)."""

    offset_ms: int = 0
    confidence: float = 0.0


class Tail(msgspec.Struct, array_like=True, gc=False):
    """The columns that the events of one device in one batch share."""

    device: Device
    sent_at: dt.datetime
    received_at: dt.datetime
    source: str
    sdk: Sdk
    ip: str
    geo: Geo
    agent: Agent
    clock: Clock
    by_server: bool


class FailedRow(msgspec.Struct, array_like=True, gc=False):
    """One row of `failed_events_raw`."""

    failure_id: uuid.UUID
    received_at: dt.datetime
    source: str
    kind: (
        str  # batch: a native batch of one; a dialect's name: the same in its form; row: a line of events_raw
    )
    event_id: str
    reason: str
    path: str
    raw: Raw


def encode_tail(tail: Tail) -> Raw:
    """Encode the shared columns as they stand inside a row: without the list's brackets.

    msgspec copies a `Raw` into its output as it is; one copy stands for ten
    encodings an event.
    """
    return Raw(_encoder.encode(tail)[1:-1])


_CONTROL = re.compile(rb"[\x00-\x1f]")


def quote_bytes(raw: bytes) -> Raw:
    """Any bytes as a JSON string that ClickHouse reads back byte for byte, valid UTF-8 or not."""
    quoted = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return Raw(b'"' + _CONTROL.sub(lambda control: b"\\u%04x" % control[0][0], quoted) + b'"')


def uuid7(index: int = 0) -> uuid.UUID:
    """A UUIDv7 (RFC 9562) for what came without an id; `index`, its place in the batch, keeps a batch's order."""
    value = (time.time_ns() // 1_000_000) << 80 | (index & 0xFFF) << 64 | int.from_bytes(os.urandom(8))
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)
