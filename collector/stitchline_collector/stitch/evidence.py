"""What one set of identifiers, seen together, says about who belongs together.

Enters: sightings, as they lie in the inbox. Leaves: evidence edges, each with when it was seen, and the identifiers at their
ends. Guaranteed: any order, grouping or repetition of the same sightings gives the same evidence.

Times are text, `2026-11-22 10:00:00.000` in UTC: of one width, so that the order of text is the order of time, and nothing
is parsed only to be written again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple
from uuid import UUID

from .identifiers import INSTALLATIONS, USER, is_identifier, rank


class Kind(enum.IntEnum):
    """How good evidence is, best first; the numbers are those of `identity_edges.kind`."""

    LOGIN = 1
    LINK = 2
    CONTACT = 3


class Identifier(NamedTuple):
    """A namespace, a value, and the node that stands for both."""

    namespace: str
    value: str
    node: int


class Sighting(NamedTuple):
    """One row of the inbox: identifiers seen together, once or more.

    Attributes:
        kind: `event`, `identify` or `link`.
        is_place: the device is of a type that belongs to nobody, e.g. a kiosk.
        own: the identifiers of the event, its device among them.
        linked: the other side of a `link`.
    """

    kind: str
    is_place: bool
    own: list[Identifier]
    linked: list[Identifier]
    first_seen: str
    last_seen: str
    known_at: str
    event_id: UUID
    sessions: list[int]


class Key(NamedTuple):
    """An edge: how it was learnt, and its two nodes, the smaller first."""

    kind: Kind
    low: int
    high: int


@dataclass(slots=True)
class Evidence:
    """When and how often an edge was seen.

    Attributes:
        places: those of its ends that were then a device of a type that belongs to nobody.
    """

    first_seen: str
    last_seen: str
    known_at: str
    event_id: UUID
    sessions: set[int]
    places: set[int]

    def add(self, other: Sighting) -> None:
        """Widen by another sighting of the same edge."""
        self.first_seen = min(self.first_seen, other.first_seen)
        self.last_seen = max(self.last_seen, other.last_seen)
        self.known_at = min(self.known_at, other.known_at)
        self.sessions.update(other.sessions)


@dataclass(slots=True)
class Collected:
    """The evidence of some sightings.

    Attributes:
        edges: evidence by edge.
        identifiers: what the nodes stand for.
        places: nodes of devices that belong to nobody by their type.
    """

    edges: dict[Key, Evidence] = field(default_factory=dict)
    identifiers: dict[int, Identifier] = field(default_factory=dict)
    places: set[int] = field(default_factory=set)


def collect(sightings: Iterable[Sighting]) -> Collected:
    """Turn sightings into evidence.

    Args:
        sightings: in any order, the same one any number of times.

    Returns:
        The edges they are evidence for. Values that are no identifiers give none.
    """
    collected = Collected()
    for sighting in sightings:
        own = sorted((i for i in sighting.own if is_identifier(i.value)), key=lambda i: rank(i.namespace))
        linked = [i for i in sighting.linked if is_identifier(i.value)] if sighting.kind == "link" else []
        places = {i.node for i in own if i.namespace in INSTALLATIONS} if sighting.is_place else set()
        collected.places |= places
        for kind, one, other in _pairs(own, linked, identified=sighting.kind == "identify"):
            if one.node != other.node:
                edge = _add(collected, kind, one, other, sighting)
                edge.places |= places & {one.node, other.node}
    return collected


def _pairs(
    own: list[Identifier], linked: list[Identifier], *, identified: bool
) -> Iterator[tuple[Kind, Identifier, Identifier]]:
    """Pair the deciding identifier with all others, and the installation behind a login with the rest.

    More pairs would say nothing new: two contacts of one event meet through its user or its device.
    """
    for position, other in combinations(range(len(own)), 2):
        if position == 0 or (
            position == 1 and own[0].namespace == USER and own[1].namespace in INSTALLATIONS
        ):
            yield _kind(own[position], own[other], identified=identified), own[position], own[other]
    for other_side in linked:
        if own:
            yield Kind.LINK, own[0], other_side


def _kind(one: Identifier, other: Identifier, *, identified: bool) -> Kind:
    """How good it is that two identifiers stand in one event; `one` ranks before `other`."""
    if other.namespace in INSTALLATIONS:
        # A login; or two names of one installation, which its own SDK made and nobody typed: nothing is more certain.
        return Kind.LOGIN
    return Kind.LOGIN if identified and one.namespace == USER else Kind.CONTACT


def _add(collected: Collected, kind: Kind, one: Identifier, other: Identifier, seen: Sighting) -> Evidence:
    collected.identifiers[one.node] = one
    collected.identifiers[other.node] = other
    key = Key(kind, min(one.node, other.node), max(one.node, other.node))
    known = collected.edges.get(key)
    if known is None:
        known = collected.edges[key] = Evidence(
            seen.first_seen, seen.last_seen, seen.known_at, seen.event_id, set(seen.sessions), set()
        )
    else:
        known.add(seen)
    return known
