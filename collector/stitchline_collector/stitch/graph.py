"""The evidence graph as ClickHouse holds it: look-ups by sorting key, a batch of nodes at a time.

Enters: nodes or edges. Leaves: what is recorded about them. Guaranteed: the cost follows what is asked for, not the size
of the graph; what belongs to nobody is never followed, however many neighbours it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..engine import Session
from .evidence import KINDS, Collected, Key, Kind, Unlink
from .identifiers import INSTALLATIONS
from .leaves import Leaf, with_room
from .resolve import Edge
from .sessions import NOBODY
from .statements import LARGE, array, batches

_EDGES = """
SELECT node, neighbour, toUInt8(kind), any(namespace), any(neighbour_namespace), toString(min(first_seen)),
    {last_seen}, max(is_place), max(neighbour_is_place)
FROM identity_edges
WHERE {condition}
GROUP BY node, neighbour, kind
"""
_PERSONS = """
SELECT node, dictGetOrDefault('identity_recent', 'person_id', node,
    dictGetOrDefault('identity_base', 'person_id', node, node)) AS person_id
FROM (SELECT arrayJoin({nodes}) AS node)
WHERE person_id != node
"""
_RULES = """
SELECT toUInt8(kind), node, neighbour, argMax(rule, known_from) AS last_rule
FROM identity_quarantine_raw
WHERE {condition}
GROUP BY node, neighbour, kind
HAVING last_rule != ''
"""
_UNLINKS = """
SELECT node, neighbour, toString(max(unlinked_at)), toString(max(relinked_at))
FROM identity_unlinks
WHERE node IN {nodes}
GROUP BY node, neighbour
"""
_NODES = """
SELECT DISTINCT node FROM identity_nodes WHERE node IN {nodes}
"""
_MEMBER_COUNTS = """
SELECT person_id, count() FROM identity_members WHERE person_id IN {nodes} GROUP BY person_id
"""
_MEMBERS = """
SELECT DISTINCT node FROM identity_members WHERE person_id IN {nodes}
"""
_MANY_NEIGHBOURS = """
SELECT node FROM identity_edges
WHERE node IN {nodes}
GROUP BY node
HAVING uniqExact(neighbour) > {limit}
"""


class Recorded(NamedTuple):
    """What is recorded about an edge, as far as it can change the answer."""

    first_seen: str
    last_seen: str
    low_is_place: bool
    high_is_place: bool


class Seen(NamedTuple):
    """When an edge was seen."""

    first: str
    last: str


@dataclass
class Region:
    """The components that some news touches.

    Attributes:
        edges: when each was seen, the news included.
        namespaces: of all their ends.
        places: installations that belong to nobody by their type.
        decided: the nodes whose evidence is complete here, so that their person can be told.
        previous: the person so far of those nodes that had another than themselves.
        leaves: user by device, of new devices that needed no reading.
        unlinks: when two nodes, the smaller first, were last said to be two people.
    """

    edges: dict[Key, Seen] = field(default_factory=dict)
    namespaces: dict[int, str] = field(default_factory=dict)
    places: set[int] = field(default_factory=set)
    decided: set[int] = field(default_factory=set)
    previous: dict[int, int] = field(default_factory=dict)
    leaves: dict[int, int] = field(default_factory=dict)
    unlinks: dict[tuple[int, int], str] = field(default_factory=dict)

    def add(self, key: Key, first_seen: str, last_seen: str) -> None:
        """Take an edge in, or widen when it was seen."""
        known = self.edges.get(key)
        self.edges[key] = Seen(
            min(first_seen, known.first if known else first_seen),
            max(last_seen, known.last if known else last_seen),
        )

    def ordered(self) -> list[Edge]:
        """Return the edges as the rule takes them."""
        return [Edge(key.kind, seen.first, key.low, key.high, seen.last) for key, seen in self.edges.items()]

    @property
    def nobodys(self) -> AbstractSet[int]:
        """What is known to be nobody's before the rule is asked: by type, or decided long ago and not read again."""
        return self.places | (self.namespaces.keys() - self.decided)


class Graph:
    """Reads the evidence.

    Args:
        session: the stitcher's own.
        blocked: nodes of values that name nobody; evidence of them is not read.
        hub_device_neighbours: the most neighbours of a shared device that may be read again.
    """

    def __init__(self, session: Session, blocked: frozenset[int], hub_device_neighbours: int) -> None:
        self._session = session
        self._blocked = blocked
        self._most_neighbours = hub_device_neighbours

    def recorded(self, keys: Iterable[Key]) -> dict[Key, Recorded]:
        """Return what is recorded about those of the edges that are, and perhaps about some others."""
        found: dict[Key, Recorded] = {}
        for batch in batches(keys):
            for row in self._edges(_between(batch)):
                if row[0] < row[1]:
                    found[_key(row)] = Recorded(row[5], row[6], bool(row[7]), bool(row[8]))
        return found

    def unlinked(self, nodes: Iterable[int]) -> dict[tuple[int, int], tuple[str, str]]:
        """Return when nodes were last unlinked from others, the smaller first, and when that was last withdrawn."""
        found: dict[tuple[int, int], tuple[str, str]] = {}
        for batch in batches(nodes):
            for node, other, unlinked_at, relinked_at in self._session.query(
                _UNLINKS.format(nodes=array(batch)), settings=LARGE
            ):
                found[min(node, other), max(node, other)] = unlinked_at, relinked_at
        return found

    def region(
        self,
        news: Collection[Key],
        unlinks: Collection[Unlink],
        collected: Collected,
        known: AbstractSet[int],
    ) -> Region:
        """Read the components around some news, the news included.

        Args:
            news: edges that can change the answer.
            unlinks: word that can change it.
            collected: the evidence they come from.
            known: nodes that were named before; of others there is nothing to read.
        """
        region = Region(places=set(collected.places))
        for key in news:
            region.add(key, collected.edges[key].first_seen, collected.edges[key].last_seen)
        ends = [node for key in news for node in (key.low, key.high)]
        ends += [node for one in unlinks for node in (one.low, one.high)]
        region.namespaces.update((node, collected.identifiers[node].namespace) for node in ends)
        # A merge of two users, or its end, can make a shared device somebody's again, or a place of one.
        accounts = {node for one in unlinks for node in (one.low, one.high)}
        accounts |= {node for key in news if key.kind is Kind.MERGE for node in (key.low, key.high)}
        is_anybody_unlinked = bool(unlinks) or self.any_unlinked()
        _Reading(self, region, accounts, set(ends) - known, with_last_seen=is_anybody_unlinked).read()
        if is_anybody_unlinked:
            self._add_unlinks(region, unlinks)
        return region

    def around(self, namespaces: Mapping[int, str]) -> Region:
        """Read the components around some nodes, as if there were news of each.

        Args:
            namespaces: of the nodes.
        """
        region = Region(namespaces=dict(namespaces))
        is_anybody_unlinked = self.any_unlinked()
        _Reading(self, region, set(), set(), with_last_seen=is_anybody_unlinked).read()
        if is_anybody_unlinked:
            self._add_unlinks(region, ())
        return region

    def persons(self, nodes: Iterable[int]) -> dict[int, int]:
        """Return the person of those nodes that have another than themselves.

        The dictionaries tell, and no table is read: whatever the stitcher writes it loads before it asks again.
        """
        persons: dict[int, int] = {}
        for batch in batches(nodes):
            persons.update(self._session.query(_PERSONS.format(nodes=array(batch)), settings=LARGE))
        return persons

    def quarantined(self, keys: Iterable[Key]) -> dict[Key, str]:
        """Return the rule by which those of the edges that are refused were refused."""
        wanted = set(keys)
        rules: dict[Key, str] = {}
        for batch in batches(wanted):
            for kind, low, high, rule in self._session.query(
                _RULES.format(condition=_between(batch)), settings=LARGE
            ):
                rules[Key(KINDS[kind], low, high)] = rule
        return {key: rule for key, rule in rules.items() if key in wanted}

    def leaves(self, candidates: Collection[Leaf], limit: int) -> list[Leaf]:
        """Return those of the candidates whose user is its own person, with room for one more device.

        Args:
            candidates: from the news.
            limit: the most devices of a person.
        """
        others = self.persons({leaf.user for leaf in candidates})
        found = [leaf for leaf in candidates if leaf.user not in others]
        members: Counter[int] = Counter()
        for batch in batches({leaf.user for leaf in found}):
            members.update(
                dict(self._session.query(_MEMBER_COUNTS.format(nodes=array(batch)), settings=LARGE))
            )
        return with_room(found, members, limit)

    def any_unlinked(self) -> bool:
        """Whether anybody was ever unlinked."""
        return bool(self._session.query("SELECT count() FROM identity_unlinks")[0][0])

    def neighbours(self, nodes: Iterable[int], *, with_last_seen: bool) -> Iterator[tuple[Any, ...]]:
        """Return the evidence of some nodes, as rows of `_EDGES`.

        Args:
            nodes: to look up.
            with_last_seen: else that is empty, and a fifth of the time is saved; it matters only where somebody was unlinked.
        """
        for batch in batches(nodes):
            rows = self._edges(f"node IN {array(batch)}", with_last_seen=with_last_seen)
            if self._blocked:
                rows = [row for row in rows if not self._blocked.intersection(row[:2])]
            yield from rows

    def with_few_neighbours(self, nodes: Iterable[int]) -> set[int]:
        """Return those of the nodes that are no hubs by what is recorded."""
        few: set[int] = set()
        for batch in batches(nodes):
            statement = _MANY_NEIGHBOURS.format(nodes=array(batch), limit=self._most_neighbours)
            few |= set(batch) - {node for (node,) in self._session.query(statement, settings=LARGE)}
        return few

    def members(self, persons: Iterable[int]) -> set[int]:
        """Return at least the nodes that have one of these persons and are not named by it."""
        found: set[int] = set()
        for batch in batches(persons):
            rows = self._session.query(_MEMBERS.format(nodes=array(batch)), settings=LARGE)
            found.update(node for (node,) in rows)
        return found

    def known(self, nodes: Iterable[int]) -> set[int]:
        """Return those of the nodes that any evidence names."""
        known: set[int] = set()
        for batch in batches(nodes):
            rows = self._session.query(_NODES.format(nodes=array(batch)), settings=LARGE)
            known.update(node for (node,) in rows)
        return known

    def _add_unlinks(self, region: Region, unlinks: Collection[Unlink]) -> None:
        last = self.unlinked(region.decided)
        for one in unlinks:
            unlinked_at, relinked_at = last.get((one.low, one.high), ("", ""))
            if one.is_withdrawn:
                last[one.low, one.high] = unlinked_at, max(relinked_at, one.at)
            else:
                last[one.low, one.high] = max(unlinked_at, one.at), relinked_at
        region.unlinks = {
            pair: unlinked_at
            for pair, (unlinked_at, relinked_at) in last.items()
            if unlinked_at > relinked_at
        }

    def _edges(self, condition: str, *, with_last_seen: bool = True) -> list[tuple[Any, ...]]:
        last_seen = "toString(max(last_seen))" if with_last_seen else "''"
        statement = _EDGES.format(condition=condition, last_seen=last_seen)
        return self._session.query(statement, settings=LARGE)


class _Reading:
    """Reads a region, ring by ring around its first nodes.

    Args:
        graph: to ask.
        region: to fill.
        accounts: users whose merging is in question: shared devices next to them, and to who was merged with them, are
            read again.
        new: nodes without recorded evidence.
        with_last_seen: whether it matters when evidence was last seen.
    """

    def __init__(
        self, graph: Graph, region: Region, accounts: set[int], new: AbstractSet[int], *, with_last_seen: bool
    ) -> None:
        self._graph = graph
        self._region = region
        self._accounts = accounts
        self._new = new
        self._with_last_seen = with_last_seen
        self._closed: set[int] = set()

    def read(self) -> None:
        """Read until nothing is left that was not looked at."""
        region = self._region
        reopened: set[int] = set()
        while pending := region.namespaces.keys() - region.decided - (self._closed - reopened):
            # What is new has itself for a person, so what the news make a place or a hub is read whole once more: its
            # neighbours must be decided anew.
            somebodys = self._somebodys(pending - self._closed)
            # All of a person at once, instead of ring by ring: a look-up touches much of a large table, however few it finds.
            persons = {region.previous.get(node, node) for node in somebodys}
            others = (persons | self._graph.members(persons)) - region.decided - self._closed - pending
            opened = somebodys | (pending & reopened) | self._somebodys(others)
            region.decided |= opened
            self._read_neighbours(opened - self._new)
            reopened = self._reopened() - region.decided

    def _somebodys(self, nodes: set[int]) -> set[int]:
        """Note the person so far of nodes that were not looked at; returns those that are not nobody's."""
        persons = self._graph.persons(nodes)
        self._region.previous.update(persons)
        nobodys = {node for node, person in persons.items() if person == NOBODY}
        self._closed |= nobodys
        return nodes - nobodys

    def _read_neighbours(self, opened: set[int]) -> None:
        edges, namespaces, places = self._region.edges, self._region.namespaces, self._region.places
        for (
            node,
            neighbour,
            kind,
            space,
            neighbour_space,
            first_seen,
            last_seen,
            is_place,
            neighbour_is_place,
        ) in self._graph.neighbours(opened, with_last_seen=self._with_last_seen):
            key = Key(KINDS[kind], node, neighbour) if node < neighbour else Key(KINDS[kind], neighbour, node)
            seen = Seen(first_seen, last_seen)
            if edges.setdefault(key, seen) != seen:  # read from its other end already, or news
                self._region.add(key, first_seen, last_seen)
            namespaces[node] = space
            namespaces[neighbour] = neighbour_space
            if is_place:
                places.add(node)
            if neighbour_is_place:
                places.add(neighbour)

    def _reopened(self) -> set[int]:
        """Return the shared devices next to accounts, as far as they can be somebody's."""
        if not self._accounts:
            return set()
        edges = self._region.edges
        while (
            more := {
                node
                for key in edges
                if key.kind is Kind.MERGE
                for node in (key.low, key.high)
                if {key.low, key.high} & self._accounts
            }
            - self._accounts
        ):
            self._accounts |= more
        shared = {
            node
            for key in edges
            if {key.low, key.high} & self._accounts
            for node in (key.low, key.high)
            if node in self._closed
            and self._region.namespaces[node] in INSTALLATIONS
            and node not in self._region.places
        }
        return self._graph.with_few_neighbours(shared - self._region.decided) if shared else set()


def _between(keys: Collection[Key]) -> str:
    return f"node IN {array(key.low for key in keys)} AND neighbour IN {array(key.high for key in keys)}"


def _key(row: tuple[Any, ...]) -> Key:
    return Key(KINDS[row[2]], min(row[:2]), max(row[:2]))
