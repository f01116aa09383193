"""One person: who they are, where they have been, and what they did last.

Enters: an identifier as the tables hold it. Leaves: one dictionary, ready for JSON. Guaranteed: nothing is scanned. The
identifier's node gives the person, the person its nodes, they their visits, and these the events by sorting key: the cost
follows what this person did, not what everybody did.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from ..engine import Reader
from .questions import questions

_DEVICE = "device"


def person(reader: Reader, namespace: str, value: str, events: int = 20) -> dict[str, Any] | None:
    """Tell what is known of the person an identifier belongs to.

    Args:
        reader: of this thread.
        namespace: of the identifier, e.g. `user`.
        value: normalised and hashed as at ingest.
        events: how many of the latest events to tell, 0 or more.

    Returns:
        The person, times in ISO 8601 and node numbers as text; None when nobody was ever seen with this identifier.
    """
    node, person_id = _ask(reader, "person_of", namespace=namespace, value=value)[0].values()
    identifiers = _ask(reader, "person_identifiers", person_id=person_id)
    if all(known["node"] != node for known in identifiers):
        # Never seen together with another: it may still be all that somebody is known by.
        identifiers.append({"node": node, "namespace": namespace, "value": value, "since": None})
    nodes = [known["node"] for known in identifiers]
    devices = _ask(reader, "person_devices", nodes=nodes)
    if not devices:
        return None
    latest = _ask(reader, "person_latest", nodes=nodes, events=events) if events else []
    named = {known["node"]: f"{known['namespace']}:{known['value']}" for known in identifiers}
    return {
        "person_id": str(person_id),
        "first_seen": _iso(min(device["first_seen"] for device in devices)),
        "last_seen": _iso(max(device["last_seen"] for device in devices)),
        "events": sum(device["events"] for device in devices),
        "stage": max(devices, key=lambda device: device["stage_at"])["stage"],
        "channels": sorted({channel for device in devices for channel in device["channels"]}),
        "identifiers": [_identifier(known) for known in identifiers if known["namespace"] != _DEVICE],
        "devices": [_device(device) for device in devices if device["device_id"]],
        "latest": [_event(event, named) for event in latest],
    }


def _ask(reader: Reader, name: str, **parameters: object) -> list[dict[str, Any]]:
    return reader.query(questions()[name].sql, parameters).dicts()


def _identifier(known: dict[str, Any]) -> dict[str, Any]:
    return {
        "namespace": known["namespace"],
        "value": known["value"],
        "since": known["since"] and _iso(known["since"]),
    }


def _device(device: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": device["device_id"],
        "type": device["device_type"],
        "channels": device["channels"],
        "first_seen": _iso(device["first_seen"]),
        "last_seen": _iso(device["last_seen"]),
        "events": device["events"],
    }


def _event(event: dict[str, Any], named: dict[int, str]) -> dict[str, Any]:
    return {
        "event_id": str(event["event_id"]),
        "occurred_at": _iso(event["occurred_at"]),
        "type": event["type"],
        "name": event["name"],
        "channel": event["channel"],
        "stage": event["stage"],
        "device": {"id": event["device_id"], "type": event["device_type"]},
        "session_id": event["session_id"],
        "url": event["url"],
        "properties": json.loads(event["properties"]),
        "found_by": named[event["found_by"]],
    }


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
