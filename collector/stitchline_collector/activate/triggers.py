"""Who reached a milestone for the first time, and who entered a segment.

Enters: parts of the inbox, or persons, or everybody. Leaves: `Fired`, and what to write down about it. Guaranteed: somebody who has done it
before, under whatever person they were known then, does not fire again.

A milestone fires by a new event if the person, as of now, has no event that reached it and was received before, and nothing is
written down. The events tell of what came before the webhook was there, what is written down of events that overtook each other.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from ..engine import Reader
from ..segments import Segment
from ..segments.members import question
from ..segments.statements import person_of
from .people import People, some

_EVENTS = (
    "(toYYYYMMDD(device_time), device_id) IN (SELECT day, device_id FROM activation_inbox WHERE _part IN {parts:Array(String)}) "
    "AND event_id IN (SELECT event_id FROM activation_inbox WHERE _part IN {parts:Array(String)}) AND person_id != 0"
)
_PERSONS = f"SELECT DISTINCT person_id FROM person_events_by_device WHERE {_EVENTS}"  # noqa: S608 (a constant)
# The first to be received is the one that fires, whatever else came with it.
_REACHED = f"""
SELECT
    person_id,
    toString(arrayJoin(arrayIntersect(milestones, {{milestones:Array(String)}}))) AS milestone,
    argMin((toString(event_id), if(deciding_node = 0, person_id, deciding_node), toString(name), toString(channel), occurred_at,
        toString(device_type), received_at), (received_at, event_id)) AS first
FROM journey_events
WHERE {_EVENTS} AND hasAny(milestones, {{milestones:Array(String)}})
GROUP BY person_id, milestone
"""  # noqa: S608 (a constant)
_BEFORE = """
SELECT person_id, toString(arrayJoin(arrayIntersect(milestones, {milestones:Array(String)}))) AS milestone,
    argMin((toString(event_id), received_at), (received_at, event_id)) AS first
FROM journey_events
WHERE (toYYYYMMDD(device_time), device_id) IN (
        SELECT identity_whereabouts.day, identity_whereabouts.device_id FROM identity_whereabouts WHERE node IN {nodes:Array(UInt64)})
    AND person_id IN {persons:Array(UInt64)} AND hasAny(milestones, {milestones:Array(String)})
GROUP BY person_id, milestone
"""
PERSONS_IN = (
    f"SELECT DISTINCT {person_of('node')} AS person FROM activation_states FINAL "  # noqa: S608 (constants)
    "WHERE trigger = {trigger:String} AND is_in AND node != 0"
)
BEGUN = "SELECT 1 FROM activation_states WHERE trigger = {trigger:String} AND node = 0 LIMIT 1"
OCCURRENCES = "SELECT node, occurrence FROM activation_states FINAL WHERE trigger = {trigger:String} AND node IN {nodes:Array(UInt64)}"
BEGINNING = 0  # the node that says that a segment's first members are written down


class Fired(NamedTuple):
    """One thing to tell.

    Attributes:
        kind: `milestone.reached` or `segment.entered`.
        name: of the milestone or segment.
        trigger: as activation_states has it.
        person: as of now.
        node: of theirs, to write it down by.
        occurrence: how often they did it.
        what: what makes the message's id: the same at every try.
        event: that reached the milestone; empty for a segment.
        occurred_at: when it happened; None for a segment.
    """

    kind: str
    name: str
    trigger: str
    person: int
    node: int
    occurrence: int
    what: str
    event: dict[str, Any]
    occurred_at: dt.datetime | None


class Left(NamedTuple):
    """Nodes under which somebody was in a segment, and is no longer."""

    trigger: str
    nodes: list[int]


def milestone_trigger(name: str) -> str:
    """As activation_states names a milestone."""
    return f"milestone:{name}"


def segment_trigger(segment: Segment) -> str:
    """As activation_states names a segment: another definition is another segment."""
    return f"segment:{segment.name}:{hashlib.sha256(segment.text.encode()).hexdigest()[:16]}"


def persons_of(reader: Reader, parts: Sequence[str]) -> set[int]:
    """Whose the events of some parts of the inbox are."""
    return {row[0] for row in reader.query(_PERSONS, {"parts": list(parts)})}


def milestones(reader: Reader, parts: Sequence[str], names: Collection[str]) -> list[Fired]:
    """Who reached which milestone for the first time by events of some parts of the inbox."""
    rows = reader.query(_REACHED, {"parts": list(parts), "milestones": list(names)})
    reached = {(row[0], row[1]): row[2] for row in rows}
    fired = []
    for people in some(reader, {person for person, _ in reached}):
        asked = {"persons": list(people.persons), "nodes": people.nodes, "milestones": list(names)}
        first = {(row[0], row[1]): row[2][0] for row in reader.query(_BEFORE, asked)}
        for name in names:
            written = people.states(milestone_trigger(name))
            fired += [
                _reached(person, name, reached[person, name])
                for person in people.persons
                if (person, name) in reached
                and person not in written
                and first.get((person, name), reached[person, name][0]) == reached[person, name][0]
            ]
    return fired


def _reached(person: int, name: str, first: tuple[Any, ...]) -> Fired:
    event_id, node, event, channel, occurred_at, device_type, _ = first
    told = {
        "event_id": event_id,
        "name": event,
        "channel": channel,
        "device_type": device_type,
        "occurred_at": occurred_at.isoformat(timespec="milliseconds"),
    }
    trigger = milestone_trigger(name)
    return Fired(
        "milestone.reached", name, trigger, person, node, 1, f"{trigger}/{event_id}", told, occurred_at
    )


def among(reader: Reader, segment: Segment, people: People, now: dt.datetime) -> set[int]:
    """Who of some people is in a segment."""
    asked = question(reader, segment, now, among=True)
    given = {**asked.parameters, "persons": list(people.persons), "nodes": people.nodes}
    return {row[0] for row in reader.query(f"SELECT person_id FROM ({asked.sql})", given)}  # noqa: S608 (our own)


def compared(segment: Segment, people: People, members: Collection[int]) -> tuple[list[Fired], Left]:
    """Who of some people entered a segment, and who left it.

    Args:
        segment: whose.
        people: those who are looked at.
        members: those who are in it, perhaps others too.
    """
    trigger = segment_trigger(segment)
    states = people.states(trigger)
    entered = [
        entering(segment, person, (states[person].occurrence if person in states else 0) + 1)
        for person in people.persons
        if person in members and not (person in states and states[person].is_in)
    ]
    gone = {person for person, state in states.items() if state.is_in and person not in members}
    return entered, Left(trigger, people.entered_nodes(trigger, gone) if gone else [])


def entering(segment: Segment, person: int, occurrence: int) -> Fired:
    """Somebody enters a segment."""
    trigger = segment_trigger(segment)
    what = f"{trigger}/{person}/{occurrence}"
    return Fired("segment.entered", segment.name, trigger, person, person, occurrence, what, {}, None)


def members_of(reader: Reader, segment: Segment, now: dt.datetime) -> set[int]:
    """Everybody in a segment."""
    asked = question(reader, segment, now)
    rows = reader.query(f"SELECT person_id FROM ({asked.sql})", asked.parameters)  # noqa: S608 (our own)
    return {row[0] for row in rows}


def identifier_of(webhook: str, fired: Fired) -> str:
    """The id of a message: the same for the same thing told to the same webhook."""
    return "msg_" + hashlib.sha256(f"{webhook}\0{fired.what}".encode()).hexdigest()[:32]
