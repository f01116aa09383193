"""What changed since a past moment: events that are now another's, or were.

Enters: an identifier and a moment. Leaves: the events of its person that came, left or arrived since. Guaranteed: nothing is
scanned; the events are looked for where the person's identifiers of then and of now were seen.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from ..engine import Reader
from .asked import NOBODY, Asked, ask, find, iso, moment
from .people import identifiers_of

Named = dict[int, str]


def changes(reader: Reader, who: Asked, at: dt.datetime, events: int) -> dict[str, Any]:
    """Tell what differs between then and now.

    Args:
        reader: of this thread.
        who: the identifier.
        at: then.
        events: tell at most so many.

    Returns:
        `person_id_then` and `person_id_now`, and `changes`, the earliest event first. Each has a `change`: `came` from
        another person, `left` to one, or `arrived` later; and whose the event was thought to be `then` and `now`.
    """
    node, now_id = find(reader, who)
    _, then_id = find(reader, who, at)
    named: Named = {}
    for person_id, when in ((now_id, None), (then_id, at)):
        if person_id != NOBODY:
            known = identifiers_of(reader, who, person_id, node, when)
            named |= {one["node"]: f"{one['namespace']}:{one['value']}" for one in known}
    parameters = {"person_id": now_id, "person_then": then_id, "at": moment(at), "events": events}
    found = ask(reader, "person_changes", nodes=list(named), **parameters) if named else []
    persons = {row[name] for row in found for name in ("then_person_id", "now_person_id")}
    named |= _names(reader, persons - named.keys())
    return {
        "person_id_then": str(then_id),
        "person_id_now": str(now_id),
        "changes": [_change(row, named) for row in found],
    }


def _names(reader: Reader, nodes: set[int]) -> Named:
    rows = ask(reader, "node_names", nodes=sorted(nodes)) if nodes else []
    return {row["node"]: f"{row['namespace']}:{row['value']}" for row in rows}


def _change(row: dict[str, Any], named: Named) -> dict[str, Any]:
    return {
        "change": row["change"],
        "event_id": str(row["event_id"]),
        "occurred_at": iso(row["occurred_at"]),
        "type": row["type"],
        "name": row["name"],
        "channel": row["channel"],
        "device": {"id": row["device_id"], "type": row["device_type"]},
        "then": None if row["change"] == "arrived" else _whose(row, "then", named),
        "now": _whose(row, "now", named),
    }


def _whose(row: dict[str, Any], when: str, named: Named) -> dict[str, Any]:
    person_id, found_by = row[f"{when}_person_id"], row[f"{when}_found_by"]
    name = named.get(person_id, "")
    if not name and found_by == "device":
        name = f"device:{row['device_id']}"
    return {"person_id": str(person_id), "named_by": name, "found_by": found_by}
