"""Whose an identifier is, and all that is theirs alone.

Enters: an identifier. Leaves: the person's identifiers, devices and sessions. Guaranteed: what others use too is not among them: a
shared device and a contact of everybody's stay, and so does a device of theirs on which somebody else was seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..ask.asked import NOBODY, PERSON, Asked
from ..engine import Session
from ..stitch.identifiers import DEVICE, INSTALLATIONS
from ..stitch.statements import LARGE, array

_PERSON = """
dictGetOrDefault('identity_recent', 'person_id', {0}, dictGetOrDefault('identity_base', 'person_id', {0}, {0}))
""".strip().format
_FIND = f"SELECT sipHash64({{namespace:String}}, '\\0', {{value:String}}) AS node, {_PERSON('node')}"
_FIND_ID = f"SELECT {{id:UInt64}} AS node, {_PERSON('node')}"
_MEMBERS = f"""
SELECT DISTINCT node FROM identity_members WHERE person_id = {{person:UInt64}} AND {_PERSON("node")} = {{person:UInt64}}
"""
_NAMES = """
SELECT toString(any(namespace)), toString(any(value)), node FROM identity_nodes WHERE node IN {nodes} GROUP BY node
"""
# A device that was never seen together with anything has no name but in its events.
_UNNAMED = """
SELECT 'device' AS namespace, device.id AS value, device_node AS node FROM events_raw
WHERE device_node IN {nodes} AND device_node = sipHash64('device', '\\0', device.id) LIMIT 1 BY device_node
UNION ALL
SELECT 'anonymous', identifiers['anonymous'], device_node FROM events_raw
WHERE device_node IN {nodes} AND device_node = sipHash64('anonymous', '\\0', identifiers['anonymous']) LIMIT 1 BY device_node
"""
_NEIGHBOURS = f"""
SELECT DISTINCT toString(neighbour_namespace), neighbour FROM identity_edges
WHERE node IN {{nodes}} AND {_PERSON("neighbour")} = 0
    AND NOT has((SELECT argMax(blocked, decided_at) FROM identity_rules), neighbour)
"""
_SOMEBODYS_NEIGHBOURS = f"""
SELECT DISTINCT toString(neighbour_namespace), neighbour FROM identity_edges
WHERE node IN {{nodes}} AND {_PERSON("neighbour")} != 0
"""
_USED_BY_OTHERS = """
SELECT DISTINCT device_node FROM person_events_by_device
WHERE device_node IN {nodes} AND person_id NOT IN ({person}, 0)
"""
_SESSIONS = """
SELECT DISTINCT session_node, device_node FROM identity_sessions WHERE hasAny(owners, {nodes})
"""
# What was done on a shared device is found by the device, what somebody said of themselves by its node.
EVENTS = """
SELECT {columns}
FROM {events}
WHERE (toYYYYMMDD(device_time), device_id) IN (
        SELECT arrayJoin([toYYYYMMDD(YYYYMMDDToDate32(day) - 1), day, toYYYYMMDD(YYYYMMDDToDate32(day) + 1)]), device_id
        FROM {visits} WHERE node IN {nodes})
    AND person_id IN {persons}
"""


class Subject(msgspec.Struct):
    """Somebody.

    Attributes:
        persons: ids under which their events are found.
        identifiers: namespace, value and node of what is theirs alone, devices among them.
        nobodys: namespace and node of shared devices and common contacts that they were seen with.
        places: namespace and node of devices of theirs that others used too: shared ones from now on.
        owned: session and device nodes, where a session on a shared device was theirs for a time.
        sessions: device id and session id of what they did on shared devices.
        apart: namespace and node of what was seen with a device that is erased alone, and stays: whose it is now is decided anew.
        kept: id, day and device of events that stay all the same: the record that consent was taken back.
    """

    persons: list[int]
    identifiers: list[tuple[str, str, int]]
    nobodys: list[tuple[str, int]] = []
    places: list[tuple[str, int]] = []
    owned: list[tuple[int, int]] = []
    sessions: list[tuple[str, str]] = []
    apart: list[tuple[str, int]] = []
    kept: list[tuple[str, int, str]] = []

    @property
    def nodes(self) -> list[int]:
        """Of their identifiers; and the ids of the person, where those are no identifier's."""
        places = {node for _, node in self.places}
        return sorted({node for _, _, node in self.identifiers} | set(self.persons) - places)

    @property
    def sources(self) -> list[int]:
        """Nodes by which all that they did can be found."""
        shared = [node for namespace, node in self.nobodys if namespace in INSTALLATIONS]
        return sorted({*self.nodes, *shared, *(node for _, node in self.places)})


class SharedByMany(Exception):
    """The identifier belongs to nobody."""


def find(session: Session, who: Asked) -> Subject:
    """Find whose an identifier is.

    Args:
        session: to ask.
        who: an identifier that was seen or not: one that was not is somebody of whom nothing is known.

    Raises:
        SharedByMany: it is a shared device, or a contact of many.
        EngineError: ClickHouse cannot be asked.
    """
    if who.namespace == PERSON:
        node, person = session.query(_FIND_ID, {"id": int(who.value)})[0]
    else:
        node, person = session.query(_FIND, {"namespace": who.namespace, "value": who.value})[0]
    if person == NOBODY:
        raise SharedByMany
    nodes = {node, person} | {row[0] for row in session.query(_MEMBERS, {"person": person})}
    given = [] if who.namespace == PERSON else [(who.namespace, who.value, node)]
    found = {
        one[2]: one for one in [*given, *_rows(session, _UNNAMED, nodes), *_rows(session, _NAMES, nodes)]
    }
    used = {row[0] for row in _rows(session, _USED_BY_OTHERS, nodes, person=person)}
    places = {one for one in used if one in found and found[one][0] in INSTALLATIONS}
    subject = Subject(
        persons=[person],
        identifiers=[one for one in found.values() if one[2] not in places],
        nobodys=[(str(namespace), number) for namespace, number in _rows(session, _NEIGHBOURS, nodes)],
        places=[(found[one][0], one) for one in sorted(places)],
    )
    subject.owned = [(one, device) for one, device in _rows(session, _SESSIONS, subject.nodes)]
    own = {value for namespace, value, _ in subject.identifiers if namespace == DEVICE}
    done = _rows(
        session,
        EVENTS,
        subject.sources,
        columns="DISTINCT device_id, session_id",
        events="person_events_by_device",
        visits="identity_visits",
        persons=array([person]),
    )
    subject.sessions = sorted((device, one) for device, one in done if device and one and device not in own)
    return subject


def find_device(session: Session, device_id: str) -> Subject:
    """Find what a device alone is, whoever uses it: a withdrawal that anybody could send speaks for nothing else.

    Args:
        session: to ask.
        device_id: of the installation.

    Raises:
        SharedByMany: others were seen on it.
        EngineError: ClickHouse cannot be asked.
    """
    node, person = session.query(_FIND, {"namespace": DEVICE, "value": device_id})[0]
    if person == NOBODY or _rows(session, _USED_BY_OTHERS, [node], person=person):
        raise SharedByMany
    return Subject(
        persons=[node],
        identifiers=[(DEVICE, device_id, node)],
        nobodys=[(str(namespace), number) for namespace, number in _rows(session, _NEIGHBOURS, [node])],
        apart=[
            (str(namespace), number) for namespace, number in _rows(session, _SOMEBODYS_NEIGHBOURS, [node])
        ],
    )


def together(subjects: list[Subject]) -> Subject:
    """Several as if they were one, to be erased in one go."""

    def joined(name: str) -> list[Any]:
        return list(dict.fromkeys(one for subject in subjects for one in getattr(subject, name)))

    subject = Subject(**{name: joined(name) for name in Subject.__struct_fields__})
    gone = set(subject.nodes)
    subject.apart = [one for one in subject.apart if one[1] not in gone]
    return subject


def _rows(session: Session, sql: str, nodes: Iterable[int], **more: object) -> list[tuple[Any, ...]]:
    return session.query(sql.format(nodes=array(sorted(nodes)), **more), settings=LARGE)
