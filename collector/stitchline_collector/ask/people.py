"""One person: who they are, where they have been, and what they did last; now, or as we thought at a past moment.

Enters: an identifier as the tables hold it. Leaves: one dictionary, ready for JSON. Guaranteed: the events are those of
`person_events`, and nothing is scanned. The identifier's node gives the person, the person its nodes, they their visits, and
these the events by sorting key: the cost follows what this person did, not what everybody did. Most of the time goes into
analysing statements, so only one of them asks whose an event is; what is told of the latest is then read by their ids.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any, NamedTuple

from ..engine import Reader
from .asked import NOBODY, PERSON, Asked, ask, find, iso
from .nobodys import Nobodys, nobodys

_DEVICE = "device"
_TOLD_AT_ONCE = 1000  # their ids travel in the address of the request, which may have a megabyte


class _Found(NamedTuple):
    """An event that was found to be a person's, and how."""

    occurred_at: dt.datetime
    seq: int
    event_id: uuid.UUID
    day: int
    found_by: str
    deciding_node: int


def person(
    reader: Reader, who: Asked, events: int = 20, at: dt.datetime | None = None
) -> dict[str, Any] | Nobodys | None:
    """Tell what is known of the person an identifier belongs to.

    Args:
        reader: of this thread.
        who: the identifier.
        events: how many of the latest events to tell, 0 or more.
        at: a past moment: what we thought then, of what had arrived by then; None is now.

    Returns:
        The person, times in ISO 8601 and node numbers as text; why it is nobody's, where the identifier is; None when
        nobody was ever seen with it.
    """
    node, person_id = find(reader, who, at)
    if person_id == NOBODY:
        return nobodys(reader, who, node)
    identifiers = identifiers_of(reader, who, person_id, node, at)
    nodes = [known["node"] for known in identifiers]
    devices = ask(reader, "person_devices", at, nodes=nodes, person_id=person_id, events=events)
    if not devices:
        return None
    latest = _latest(reader, devices, events)
    named = {known["node"]: f"{known['namespace']}:{known['value']}" for known in identifiers}
    return {
        "person_id": str(person_id),
        "first_seen": iso(min(device["first_seen"] for device in devices)),
        "last_seen": iso(max(device["last_seen"] for device in devices)),
        "events": sum(device["events"] for device in devices),
        "stage": max(devices, key=_staged)["stage"],
        "channels": sorted({channel for device in devices for channel in device["channels"]}),
        "identifiers": [
            _identifier(known) for known in identifiers if known["namespace"] not in (_DEVICE, PERSON)
        ],
        "devices": [_device(device) for device in devices if device["device_id"]],
        "latest": [_event(found, told, named) for found, told in latest],
    }


def identifiers_of(
    reader: Reader, who: Asked, person_id: int, node: int, at: dt.datetime | None = None
) -> list[dict[str, Any]]:
    """Tell all identifiers of a person, the one that was asked for among them."""
    identifiers = ask(reader, "person_identifiers", at, person_id=person_id)
    if all(known["node"] != node for known in identifiers):
        # Never seen together with another: it may still be all that somebody is known by.
        identifiers.append({"node": node, "namespace": who.namespace, "value": who.value, "since": None})
    return identifiers


def _staged(device: dict[str, Any]) -> tuple[dt.datetime, int, bytes]:
    """When a device last had a stage; equal times are ordered as all events are."""
    occurred_at, seq, event_id = device["stage_at"]
    return occurred_at, seq, event_id.bytes


def _latest(
    reader: Reader, devices: list[dict[str, Any]], events: int
) -> list[tuple[_Found, dict[str, Any]]]:
    """Tell the latest events of a person, newest first."""
    found = [(_Found(*one), device["device_id"]) for device in devices for one in device["latest"]]
    found.sort(key=lambda one: (one[0].occurred_at, one[0].seq, one[0].event_id.bytes), reverse=True)
    del found[events:]
    told: dict[tuple[uuid.UUID, dt.datetime], dict[str, Any]] = {}
    for first in range(0, len(found), _TOLD_AT_ONCE):
        some = found[first : first + _TOLD_AT_ONCE]
        places = sorted({(one.day, device_id) for one, device_id in some})
        rows = ask(
            reader,
            "events_told",
            days=[day for day, _ in places],
            devices=[device_id for _, device_id in places],
            events=[str(one.event_id) for one, _ in some],
        )
        told |= {(row["event_id"], row["occurred_at"]): row for row in rows}
    return [(one, told[key]) for one, _ in found if (key := (one.event_id, one.occurred_at)) in told]


def _identifier(known: dict[str, Any]) -> dict[str, Any]:
    return {
        "namespace": known["namespace"],
        "value": known["value"],
        "since": known["since"] and iso(known["since"]),
    }


def _device(device: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": device["device_id"],
        "type": device["device_type"],
        "channels": device["channels"],
        "first_seen": iso(device["first_seen"]),
        "last_seen": iso(device["last_seen"]),
        "events": device["events"],
    }


def _event(found: _Found, event: dict[str, Any], named: dict[int, str]) -> dict[str, Any]:
    return {
        "event_id": str(event["event_id"]),
        "occurred_at": iso(event["occurred_at"]),
        "type": event["type"],
        "name": event["name"],
        "channel": event["channel"],
        "stage": event["stage"],
        "device": {"id": event["device_id"], "type": event["device_type"]},
        "session_id": event["session_id"],
        "url": event["url"],
        "properties": json.loads(event["properties"]),
        "found_by": found.found_by,
        "decided_by": named.get(found.deciding_node, ""),
    }
