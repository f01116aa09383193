"""Who is who: evidence in, persons out. The rule of stitching, as a pure function.

Enters: evidence edges, what their ends are, what was unlinked, and the rules' numbers. Leaves: the person of each node, and the
evidence that was refused, with the rule it would have broken. Guaranteed: a function of the set of edges, never of their
order, grouping or repetition.

1. **Nobody's nodes join nobody.** A device on which two users signed in, or more than three values of one contact namespace
   were given, or that is a kiosk, ATM, point of sale or server by its type, is a place. A contact with more than 10
   neighbours, or a device with more than 100, is a hub.
2. **Edges are taken best first**: by kind (login, link, contact), then by time first seen, then by node. Each joins the groups of
   its two ends, unless that breaks a limit or joins what was unlinked; nor may a contact bring a person who has one a
   second value of its namespace: a second e-mail comes only through the user. Two users are one only where a server merged
   them, and then count as one.
3. **A person's id is a node**: of its user, the first known; without one, of the first known contact; else of its device.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from .evidence import Key, Kind
from .identifiers import DEVICE, INSTALLATIONS, USER, is_contact, naming_rank
from .rules import DEFAULT_RULES, IdentityRules
from .sessions import NOBODY

UNLINKED = "unlinked"
_NEVER = "9"  # later than any time as text


class Edge(NamedTuple):
    """Evidence as the rule needs it. Edges sort in the order in which they are taken."""

    kind: Kind
    first_seen: str
    low: int
    high: int
    last_seen: str

    @property
    def key(self) -> Key:
        """The edge without its times."""
        return Key(self.kind, self.low, self.high)


Unlinks = Mapping[tuple[int, int], str]
"""When two nodes, the smaller first, were last said to be two people: evidence not seen since does not join them."""


@dataclass(frozen=True)
class Resolution:
    """The answer.

    Attributes:
        persons: person by node, `NOBODY` for places and hubs, for every node that has an edge.
        refused: the rule that was broken, by edge; edges of nobody's nodes are not listed, they all are.
    """

    persons: dict[int, int]
    refused: dict[Key, str]


def resolve(
    edges: Iterable[Edge],
    namespaces: Mapping[int, str],
    *,
    nobodys: AbstractSet[int] = frozenset(),
    unlinks: Unlinks | None = None,
    rules: IdentityRules = DEFAULT_RULES,
) -> Resolution:
    """Decide who is who.

    Args:
        edges: all the evidence of one or more whole components.
        namespaces: of each node that has an edge.
        nobodys: nodes known to be nobody's: by their type, or by evidence that is not given here.
        unlinks: pairs that were unlinked.
        rules: limits.

    Returns:
        Persons and refused evidence.
    """
    ordered = sorted(set(edges))
    groups = _Groups(namespaces, unlinks or {}, rules)
    merges = [edge for edge in ordered if edge.kind == Kind.MERGE]
    refused = {edge.key: rule for edge in merges if (rule := groups.merge(edge))}
    closed = nobodys | nobodys_nodes(ordered, namespaces, groups.root if merges else None, rules)
    first_seen: dict[int, str] = {}
    for edge in ordered:
        kind, since, low, high, _ = edge
        if since < first_seen.get(low, _NEVER):
            first_seen[low] = since
        if since < first_seen.get(high, _NEVER):
            first_seen[high] = since
        if kind != Kind.MERGE and low not in closed and high not in closed:
            rule = groups.join(edge)
            if rule:
                refused[edge.key] = rule
    return Resolution(_persons(groups, first_seen, namespaces, closed), refused)


def merged_users(merges: Iterable[Edge], unlinks: Unlinks) -> dict[int, int]:
    """Return what stands for each user that a server has merged with another."""
    edges = sorted(set(merges))
    namespaces = {node: USER for edge in edges for node in (edge.low, edge.high)}
    groups = _Groups(namespaces, unlinks, DEFAULT_RULES)
    for edge in edges:
        groups.merge(edge)
    return {node: groups.root(node) for node in namespaces}


def nobodys_nodes(
    edges: Iterable[Edge],
    namespaces: Mapping[int, str],
    account: Callable[[int], int] | None,
    rules: IdentityRules,
) -> set[int]:
    """Return the places and hubs among nodes of which all edges are given.

    Args:
        edges: evidence.
        namespaces: of its ends.
        account: gives the one that stands for a user and all who were merged with it; None where nobody was.
        rules: the numbers.
    """
    neighbours: defaultdict[int, set[int]] = defaultdict(set)
    signed_in: defaultdict[int, set[int]] = defaultdict(set)
    for kind, _, low, high, _ in edges:
        neighbours[low].add(high)
        neighbours[high].add(low)
        if kind == Kind.LOGIN:
            if namespaces[high] == USER:
                signed_in[low].add(account(high) if account else high)
            if namespaces[low] == USER:
                signed_in[high].add(account(low) if account else low)
    fewest = min(rules.shared_contact_values, rules.hub_contact_neighbours, rules.hub_device_neighbours)
    found = {
        node for node, users in signed_in.items() if len(users) > 1 and namespaces[node] in INSTALLATIONS
    }
    found |= {
        node
        for node, near in neighbours.items()
        if len(near) > fewest and _is_hub(namespaces[node], near, namespaces, rules)
    }
    return found


def _is_hub(namespace: str, near: set[int], namespaces: Mapping[int, str], rules: IdentityRules) -> bool:
    """Whether a node has too many neighbours, or a device too many of one contact namespace."""
    if namespace == USER:
        return False
    if namespace not in INSTALLATIONS:
        return len(near) > rules.hub_contact_neighbours
    values = Counter(namespaces[node] for node in near)
    most = max((count for other, count in values.items() if is_contact(other)), default=0)
    return len(near) > rules.hub_device_neighbours or most > rules.shared_contact_values


class _Groups:
    """Union-find that knows how many values of each namespace a group has, and refuses what breaks a rule."""

    def __init__(self, namespaces: Mapping[int, str], unlinks: Unlinks, rules: IdentityRules) -> None:
        self._namespaces = namespaces
        self._limits = {namespace: rules.limit(namespace) for namespace in set(namespaces.values())}
        self._parent: dict[int, int] = {}
        self._values: dict[int, dict[str, int]] = {}  # by root, of groups of several nodes
        self._unlinks = unlinks
        self._unlinked = {node: {node} for pair in unlinks for node in pair}  # by root

    def root(self, node: int) -> int:
        """Return the node that stands for a group."""
        parents = self._parent
        parent = parents.get(node, node)
        while parent != node:
            grandparent = parents.get(parent, parent)
            parents[node] = grandparent  # halves the path, so that the next look is shorter
            node, parent = grandparent, parents.get(grandparent, grandparent)
        return node

    def merge(self, edge: Edge) -> str:
        """Make one user of two, as a server has said; returns the rule that forbids it, empty when it is done."""
        one, other = self.root(edge.low), self.root(edge.high)
        if one == other:
            return ""
        if self._is_unlinked(edge, one, other):
            return UNLINKED
        self._union(one, other)[USER] = 1
        return ""

    def join(self, edge: Edge) -> str:
        """Make one group of two; returns the rule that this would break, empty when it is done."""
        one, other = self.root(edge.low), self.root(edge.high)
        if one == other:
            return ""
        rule = self._broken(edge, one, other)
        if not rule:
            self._union(one, other)
        return rule

    def _broken(self, edge: Edge, one: int, other: int) -> str:
        ours, theirs = self._count(one), self._count(other)
        of_both = ours.keys() & theirs.keys()
        if of_both:
            if USER in of_both:
                return "two_users"
            for namespace in self._brought_by_contact(edge):
                if namespace in of_both:
                    return f"second_{namespace}"
        too_many = sorted(
            (namespace == DEVICE, namespace)
            for namespace in of_both
            if ours[namespace] + theirs[namespace] > self._limits[namespace]
        )
        if too_many and too_many[0] != (True, DEVICE):
            return f"limit_{too_many[0][1]}"
        if self._is_unlinked(edge, one, other):
            return UNLINKED
        return f"limit_{DEVICE}" if too_many else ""  # last of all: `leaves` builds on it

    def _brought_by_contact(self, edge: Edge) -> list[str]:
        """Return the contact namespaces of an edge that may not bring a second value; a device's link is no better."""
        if edge.kind == Kind.LOGIN:
            return []
        ends = sorted((self._namespaces[edge.low], self._namespaces[edge.high]))
        if edge.kind == Kind.CONTACT or any(end in INSTALLATIONS for end in ends):
            return [end for end in ends if is_contact(end)]
        return []

    def _is_unlinked(self, edge: Edge, one: int, other: int) -> bool:
        if one not in self._unlinked or other not in self._unlinked:
            return False
        return any(
            edge.last_seen <= self._unlinks.get((min(a, b), max(a, b)), "")
            for a in self._unlinked[one]
            for b in self._unlinked[other]
        )

    def _count(self, root: int) -> dict[str, int]:
        return self._values.get(root) or {self._namespaces[root]: 1}

    def _union(self, one: int, other: int) -> dict[str, int]:
        values = self._values[one] = self._count(one)
        for namespace, count in self._count(other).items():
            values[namespace] = values.get(namespace, 0) + count
        self._parent[other] = one
        if other in self._unlinked:
            self._unlinked[one] = self._unlinked.get(one, set()) | self._unlinked.pop(other)
        return values


def _persons(
    groups: _Groups, first_seen: Mapping[int, str], namespaces: Mapping[int, str], closed: AbstractSet[int]
) -> dict[int, int]:
    members: defaultdict[int, list[int]] = defaultdict(list)
    for node in first_seen:
        members[groups.root(node)].append(node)
    persons: dict[int, int] = {}
    for nodes in members.values():
        person = (
            nodes[0]
            if len(nodes) == 1
            else min(nodes, key=lambda n: (naming_rank(namespaces[n]), first_seen[n], n))
        )
        persons.update(dict.fromkeys(nodes, person))
    return persons | dict.fromkeys(closed & first_seen.keys(), NOBODY)
