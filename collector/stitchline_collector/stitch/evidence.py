"""What one set of identifiers, seen together, says about who belongs together.

Enters: sightings, as they lie in the inbox. Leaves: evidence edges, each with when it was seen; claims, which say who used a
device in which session; what was unlinked; and the identifiers behind all of them. Guaranteed: any order, grouping or
repetition of the same sightings gives the same evidence.

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
from .rules import IdentityRules
from .sessions import Claim, ClaimKind


class Kind(enum.IntEnum):
    """How good evidence is, best first; a merge stands apart. The numbers are those of `identity_edges.kind`."""

    LOGIN = 1
    LINK = 2
    CONTACT = 3
    MERGE = 4


KINDS = {kind.value: kind for kind in Kind}  # a quarter of the time of `Kind(number)`
KIND_NAMES = {kind: kind.name.lower() for kind in Kind}


class Identifier(NamedTuple):
    """A namespace, a value, and the node that stands for both."""

    namespace: str
    value: str
    node: int


class Sighting(NamedTuple):
    """One row of the inbox: identifiers seen together in one session, once or more.

    Attributes:
        kind: `event`, `identify`, `link`, `logout`, `unlink` or `relink`.
        by_server: sent with a server's key.
        is_place: the device is of a type that belongs to nobody, e.g. a kiosk.
        device_node: the installation; 0 without one.
        session_node: the session on it.
        own: the identifiers of the event, its device among them.
        linked: the other side of a `link`, `unlink` or `relink`.
    """

    kind: str
    by_server: bool
    is_place: bool
    device_node: int
    session_node: int
    own: list[Identifier]
    linked: list[Identifier]
    first_seen: str
    last_seen: str
    known_at: str
    event_id: UUID


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
        self.sessions.add(other.session_node)


class Unlink(NamedTuple):
    """Word that two nodes are two people, or that this was an error.

    Attributes:
        first_at: when it was first said.
        at: when it was last said.
        is_withdrawn: it was an error.
    """

    low: int
    high: int
    first_at: str
    at: str
    is_withdrawn: bool
    event_id: UUID


@dataclass(slots=True)
class Collected:
    """The evidence of some sightings.

    Attributes:
        edges: evidence by edge.
        identifiers: what the nodes stand for.
        places: nodes of devices that belong to nobody by their type.
        claims: who used a device in a session.
        unlinks: who is two people.
        blocked: what the operator says names nobody.
    """

    edges: dict[Key, Evidence] = field(default_factory=dict)
    identifiers: dict[int, Identifier] = field(default_factory=dict)
    places: set[int] = field(default_factory=set)
    claims: set[Claim] = field(default_factory=set)
    unlinks: set[Unlink] = field(default_factory=set)
    blocked: dict[int, Identifier] = field(default_factory=dict)

    def sound(self, identifiers: Iterable[Identifier], rules: IdentityRules) -> list[Identifier]:
        """Leave out what names nobody; the best comes first."""
        kept = [i for i in identifiers if is_identifier(i.value)]
        if rules.blocked:
            self.blocked |= {i.node: i for i in kept if rules.is_blocked(i.namespace, i.value)}
            kept = [i for i in kept if i.node not in self.blocked]
        return sorted(kept, key=lambda i: rank(i.namespace))


def collect(sightings: Iterable[Sighting], rules: IdentityRules) -> Collected:
    """Turn sightings into evidence.

    Args:
        sightings: in any order, the same one any number of times.
        rules: what names nobody.

    Returns:
        What they are evidence for. Values that are no identifiers give none.
    """
    collected = Collected()
    for sighting in sightings:
        own, linked = collected.sound(sighting.own, rules), collected.sound(sighting.linked, rules)
        collected.claims.update(_claims(sighting, own))
        if sighting.kind in ("unlink", "relink"):
            _add_unlinks(collected, own, linked, sighting)
            linked = []
        places = {i.node for i in own if i.namespace in INSTALLATIONS} if sighting.is_place else set()
        for kind, one, other in _pairs(own, linked if sighting.kind == "link" else [], sighting):
            if one.node != other.node:
                edge = _add(collected, kind, one, other, sighting)
                edge.places |= places & {one.node, other.node}
                collected.places |= (
                    edge.places
                )  # only what an edge records: nothing else is there in the next round
    return collected


def _pairs(
    own: list[Identifier], linked: list[Identifier], sighting: Sighting
) -> Iterator[tuple[Kind, Identifier, Identifier]]:
    """Pair the deciding identifier with all others, and the installation behind a login with the rest.

    More pairs would say nothing new: two contacts of one event meet through its user or its device.
    """
    identified = sighting.kind == "identify"
    for position, other in combinations(range(len(own)), 2):
        if position == 0 or (
            position == 1 and own[0].namespace == USER and own[1].namespace in INSTALLATIONS
        ):
            yield _kind(own[position], own[other], identified=identified), own[position], own[other]
    for other_side in linked:
        if own:
            is_merge = sighting.by_server and own[0].namespace == other_side.namespace == USER
            yield Kind.MERGE if is_merge else Kind.LINK, own[0], other_side


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
            seen.first_seen, seen.last_seen, seen.known_at, seen.event_id, {seen.session_node}, set()
        )
    else:
        known.add(seen)
    return known


def _claims(sighting: Sighting, own: list[Identifier]) -> Iterator[Claim]:
    if not sighting.device_node or not sighting.session_node:
        return
    where = sighting.device_node, sighting.session_node
    if sighting.kind == "logout":
        yield Claim(*where, ClaimKind.LOGOUT, 0, sighting.first_seen)
    person = next((i for i in own if i.namespace not in INSTALLATIONS), None)
    if person is not None:
        signed_in = ClaimKind.LOGIN if sighting.kind == "identify" else ClaimKind.SIGNED_IN
        kind = signed_in if person.namespace == USER else ClaimKind.CONTACT
        yield Claim(*where, kind, person.node, sighting.first_seen)


def _add_unlinks(
    collected: Collected, own: list[Identifier], linked: list[Identifier], sighting: Sighting
) -> None:
    for other in linked:
        if own and own[0].node != other.node:
            collected.identifiers[own[0].node] = own[0]
            collected.identifiers[other.node] = other
            low, high = sorted((own[0].node, other.node))
            is_withdrawn = sighting.kind == "relink"
            collected.unlinks.add(
                Unlink(low, high, sighting.first_seen, sighting.last_seen, is_withdrawn, sighting.event_id)
            )
