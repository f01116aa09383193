"""Who is who: evidence in, persons out.

Enters: evidence edges, what their ends are, and which devices are known to belong to nobody. Leaves: the person of each node,
and the evidence that was refused, with the rule it would have broken. Guaranteed: a pure function of the set of edges, never
of their order, grouping or repetition; and two `user`s are never one person.

1. A device on which two users signed in is a place: it belongs to nobody and joins nobody.
2. Edges are taken best kind first, then by time first seen. Each joins the groups of its two ends, unless that would bring
   two users together.
3. A person's id is the node of its user; else of the contact seen first; else of its device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from .evidence import Key, Kind
from .identifiers import DEVICE, INSTALLATIONS, USER

SHARED_DEVICE = "shared_device"
TWO_USERS = "two_users"


class Edge(NamedTuple):
    """Evidence as the rule needs it. Edges sort in the order in which they are taken."""

    kind: Kind
    first_seen: str
    low: int
    high: int

    @property
    def key(self) -> Key:
        """The edge without its time."""
        return Key(self.kind, self.low, self.high)


@dataclass(frozen=True)
class Resolution:
    """The answer.

    Attributes:
        persons: person by node, for every node that has an edge.
        refused: the rule that was broken, by edge.
        shared: the devices found to be places, with those that were known before.
    """

    persons: dict[int, int]
    refused: dict[Key, str]
    shared: AbstractSet[int]


def resolve(
    edges: Iterable[Edge], namespaces: Mapping[int, str], places: AbstractSet[int] = frozenset()
) -> Resolution:
    """Decide who is who.

    Args:
        edges: all the evidence of one or more whole components.
        namespaces: of each node that has an edge.
        places: installations known to belong to nobody, by their type or by evidence that is not given here.

    Returns:
        Persons and refused evidence.
    """
    ordered = sorted(set(edges))
    shared = places | shared_devices(ordered, namespaces)
    groups = _Groups(node for node, namespace in namespaces.items() if namespace == USER)
    refused: dict[Key, str] = {}
    first_seen: dict[int, str] = {}
    for edge in ordered:
        for node in (edge.low, edge.high):
            first_seen[node] = min(first_seen.get(node, edge.first_seen), edge.first_seen)
        if edge.low in shared or edge.high in shared:
            refused[edge.key] = SHARED_DEVICE
        elif not groups.join(edge.low, edge.high):
            refused[edge.key] = TWO_USERS
    return Resolution(_persons(groups, first_seen, namespaces), refused, shared)


def shared_devices(edges: Iterable[Edge], namespaces: Mapping[int, str]) -> set[int]:
    """Return the installations on which two or more users signed in."""
    users: defaultdict[int, set[int]] = defaultdict(set)
    for edge in edges:
        if edge.kind is Kind.LOGIN:
            for one, other in ((edge.low, edge.high), (edge.high, edge.low)):
                if namespaces[one] in INSTALLATIONS and namespaces[other] == USER:
                    users[one].add(other)
    return {device for device, signed_in in users.items() if len(signed_in) > 1}


class _Groups:
    """Union-find that knows the user of each group."""

    def __init__(self, users: Iterable[int]) -> None:
        self._parent: dict[int, int] = {}
        self._user = {user: user for user in users}  # by root

    def root(self, node: int) -> int:
        """Return the node that stands for a group."""
        parent = self._parent.get(node, node)
        while parent != node:
            grandparent = self._parent.get(parent, parent)
            self._parent[node] = grandparent  # halves the path, so that the next look is shorter
            node, parent = grandparent, self._parent.get(grandparent, grandparent)
        return node

    def user(self, root: int) -> int | None:
        """Return the user of a group."""
        return self._user.get(root)

    def join(self, one: int, other: int) -> bool:
        """Make one group of two; False, and nothing done, if both have a user."""
        one, other = self.root(one), self.root(other)
        if one == other:
            return True
        if one in self._user and other in self._user:
            return False
        self._parent[other] = one
        if other in self._user:
            self._user[one] = self._user[other]
        return True


def _persons(groups: _Groups, first_seen: Mapping[int, str], namespaces: Mapping[int, str]) -> dict[int, int]:
    members: defaultdict[int, list[int]] = defaultdict(list)
    for node in first_seen:
        members[groups.root(node)].append(node)
    persons: dict[int, int] = {}
    for root, nodes in members.items():
        user = groups.user(root)
        person = (
            min(nodes, key=lambda n: (*_naming(namespaces[n]), first_seen[n], n)) if user is None else user
        )
        persons.update(dict.fromkeys(nodes, person))
    return persons


def _naming(namespace: str) -> tuple[bool, bool]:
    """Sort key for who names a person without a user: a contact before a device before an anonymous id."""
    return namespace in INSTALLATIONS, namespace != DEVICE
