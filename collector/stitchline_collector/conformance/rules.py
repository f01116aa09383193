"""The rules that hold for every request of every scenario: `checks.RULES`.

In: what a room saw. Out: findings by check. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from ..decode import Limits, Unreadable, decode
from .recorder import WRITE_KEY, Seen

_HASH = re.compile(r"[0-9a-f]{64}")
_NOBODY = frozenset(
    [*"0 null none nil undefined nan unknown anonymous guest test".split(), "", "[object object]"]
)
_LIMITS = Limits()
_MAX_BODY_BYTES = 5 * 1024 * 1024
_CLOCK_TICK_S = 0.005  # attempts further apart than this cannot have one `sent_at`

Rule = Callable[[list[Seen]], Iterator[str]]


def findings(seen: list[Seen], *, repeats: bool = False) -> dict[str, list[str]]:
    """What each rule finds; rules that find nothing have an empty list.

    Args:
        seen: the requests, as they came.
        repeats: the platform repeats a request whose connection broke, byte for byte, and the SDK cannot hinder it.
    """
    readable = [one for one in seen if not one.fault]
    held = {"key": seen, "readable": seen}
    if repeats:
        held["sent_at"] = [one for one in readable if not one.cut]
    return {name: list(dict.fromkeys(rule(held.get(name, readable)))) for name, rule in _RULES.items()}


def _key(seen: list[Seen]) -> Iterator[str]:
    for one in seen:
        if one.key != WRITE_KEY:
            yield f"a request came with the key {one.key!r}"


def _readable(seen: list[Seen]) -> Iterator[str]:
    for one in seen:
        if one.fault:
            yield f"a body of {one.size} bytes cannot be read: {one.fault}"


def _fields(seen: list[Seen]) -> Iterator[str]:
    for one in seen:
        try:
            decoded = decode(one.body, _LIMITS)
        except (Unreadable, ValueError) as error:
            yield str(error)
            continue
        for rejected in decoded.rejected:
            yield f"{rejected.rejection.path}: {rejected.rejection.reason}"


def _event_id(seen: list[Seen]) -> Iterator[str]:
    names: dict[str, object] = {}
    for one in seen:
        ids = [str(event.get("event_id", "")) for event in one.events]
        for event, made in zip(one.events, ids, strict=True):
            what = (event.get("type"), event.get("name"))
            if not _is_uuid(made):
                yield f"{what[1] or what[0]}: {made!r} is no UUID"
            elif names.setdefault(made, what) != what or ids.count(made) > 1:
                yield f"several events have the id {made}"


def _same_bytes(seen: list[Seen]) -> Iterator[str]:
    first: dict[object, bytes] = {}
    named: dict[tuple[object, ...], object] = {}
    for one in seen:
        for event, line in zip(one.events, one.lines, strict=True):
            made = event.get("event_id")
            if first.setdefault(made, line) != line:
                yield f"{event.get('name') or event.get('type')} ({made}) came again with other bytes"
            # The same call again under another id: the time and the counter are the call's own.
            call = (event.get("name"), event.get("type"), event.get("occurred_at"), event.get("seq"))
            if event.get("seq") and named.setdefault((*call, _device(one, event)), made) != made:
                yield f"{event.get('name') or event.get('type')} came again under another id"


def _sent_at(seen: list[Seen]) -> Iterator[str]:
    told: dict[tuple[str, object], float] = {}
    for one in seen:
        sent = str(one.batch.get("sent_at", ""))
        if not _is_moment(sent):
            yield f"`sent_at` is {sent!r}"
            continue
        firsts = [told.setdefault((sent, event.get("event_id")), one.at) for event in one.events]
        # The halves of a batch that was too large may leave in the millisecond in which the whole did.
        if any(one.at - first > _CLOCK_TICK_S for first in firsts):
            yield f"two attempts have the `sent_at` {sent}"


def _occurred_at(seen: list[Seen]) -> Iterator[str]:
    for _, event in _events(seen):
        if not _is_moment(str(event.get("occurred_at", ""))):
            yield f"{event.get('name') or event.get('type')}: `occurred_at` is {event.get('occurred_at')!r}"


def _device_id(seen: list[Seen]) -> Iterator[str]:
    ids = {_device(one, event) for one in seen for event in one.events}
    if "" in ids:
        yield "events came without a `device.id`"
    if len(ids - {""}) > 1:
        yield f"one device had {len(ids - {''})} ids"


def _seq(seen: list[Seen]) -> Iterator[str]:
    given: dict[tuple[str, object], object] = {}
    for one, event in _events(seen):
        number, made = event.get("seq"), event.get("event_id")
        if number and given.setdefault((_device(one, event), number), made) != made:
            yield f"`seq` {number} was given to two events"


def _hashed(seen: list[Seen]) -> Iterator[str]:
    for one, event in _events(seen):
        for who in (event.get("identifiers"), event.get("linked"), one.batch.get("identifiers")):
            for namespace in ("email", "phone"):
                value = (who or {}).get(namespace)
                if value is not None and not _HASH.fullmatch(str(value)):
                    yield f"`{namespace}` left as {len(str(value))} characters that are no SHA-256 in lower case"


def _nobody(seen: list[Seen]) -> Iterator[str]:
    for one, event in _events(seen):
        for who in (event.get("identifiers"), event.get("linked"), one.batch.get("identifiers")):
            for namespace, value in (who or {}).items():
                text = str(value).strip().lower()
                if text in _NOBODY or not text.strip("0-"):
                    yield f"`{namespace}` is {value!r}"


def _limits(seen: list[Seen]) -> Iterator[str]:
    for one in seen:
        if len(one.events) > _LIMITS.max_batch_events:
            yield f"{len(one.events):,} events in one request"
        if one.size > _MAX_BODY_BYTES:
            yield f"{one.size:,} bytes in one request"
        for event, line in zip(one.events, one.lines, strict=True):
            if len(line) > _LIMITS.max_event_bytes:
                yield f"{event.get('name') or event.get('type')} has {len(line):,} bytes"


def _resent(seen: list[Seen]) -> Iterator[str]:
    known: set[object] = set()
    for one in seen:
        for event in one.events:
            if event.get("event_id") in known:
                yield f"{event.get('name') or event.get('type')} came again after its 200"
        if one.acknowledged:
            known |= {event.get("event_id") for event in one.events}


def _events(seen: list[Seen]) -> Iterator[tuple[Seen, dict[str, Any]]]:
    return ((one, event) for one in seen for event in one.events)


def _device(one: Seen, event: dict[str, Any]) -> str:
    device = event.get("device", one.batch.get("device")) or {}
    return str(device.get("id", "")) if isinstance(device, dict) else ""


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    try:
        return dt.datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        return False


_RULES: dict[str, Rule] = {
    "key": _key,
    "readable": _readable,
    "fields": _fields,
    "event_id": _event_id,
    "same_bytes": _same_bytes,
    "sent_at": _sent_at,
    "occurred_at": _occurred_at,
    "device_id": _device_id,
    "seq": _seq,
    "hashed": _hashed,
    "nobody": _nobody,
    "limits": _limits,
    "resent": _resent,
}
