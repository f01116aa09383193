"""Usual ways to stitch, on the same events: what they would have answered.

Enters: the events of a world. Leaves: for each method the person it gives each event, as labels. Guaranteed: all methods see what the
collector sees: contacts in one spelling, no values such as `null` that name nobody, clocks corrected; so they differ in their
rule only.

- **Last login wins**, the usual way in dbt packages (Snowplow's among them): a device is the user who signed in on it last, and all events of
  the device, whoever they say signed in, are that user's. A device without a user is itself; an event without a
  device is the user's or the contact's that it names.
- **Last login so far**, milder: an event that says a user is that user's. Another belongs to the user who signed in last on its device
  until then, or failing that to the first one afterwards; the rest is as above.
- **Last auth. graph** (the last authenticated user of a device), as identity graphs of customer data platforms: a device is joined to the user who signed in last on it,
  users and devices to the contacts and links seen with them, and what is connected is one person. An event is its
  user's, else its contact's, else its device's. Nothing is refused.
- **Plain components**: all identifiers of an event, either side of a link too, are one person, and so is what is connected.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..enrich.contacts import Contacts
from ..stitch.identifiers import is_identifier
from .answer_key import AnswerKey, Said
from .metrics import Names

_USER, _DEVICE = "user", "device"


class Baselines:
    """Reads the events once; then each method gives its answer.

    Args:
        events: how many there are.

    Attributes:
        names: what the events say by themselves.
    """

    def __init__(self, events: int) -> None:
        self.names = Names(events)
        self._nodes: dict[tuple[str, str], int] = {}
        self._contacts = Contacts(b"the same for all methods")
        self._stored: dict[tuple[str, str], str] = {}
        self._device = array("I", bytes(4 * events))
        self._deciding = array("I", bytes(4 * events))
        self._at_ms = array("q", bytes(8 * events))
        self._logins: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._joined: set[tuple[int, int]] = set()  # contacts and links, with whom they were seen
        self._together = Components()

    @classmethod
    def of(cls, key: AnswerKey) -> Baselines:
        """Read all events of a world."""
        baselines = cls(len(key))
        for said in key.events():
            baselines.read(said)
        return baselines

    def methods(self) -> Iterator[tuple[str, Sequence[int]]]:
        """Each method and its labels by event number, one after the other."""
        yield "last login wins", self.last_login()
        yield "last login so far", self.last_login_so_far()
        yield "last auth. graph", self.last_authenticated()
        yield "plain components", self.plain_components()

    def read(self, said: Said) -> None:
        """Take one event."""
        user, contacts = self._known(said.identifiers)
        _, linked = self._known(said.linked)
        device = self._node(_DEVICE, said.device) if said.device else 0
        self._at_ms[said.number] = said.at_ms
        self._device[said.number] = device
        self._deciding[said.number] = user or (contacts[0] if contacts else device)
        self.names.users[said.number] = user
        self.names.contacts[said.number] = bool(contacts)
        if user and device:
            self._logins[device].append((said.at_ms, user))
        seen = user or device
        if seen:
            self._joined.update((seen, other) for other in (*contacts, *linked) if other != seen)
        self._together.join([node for node in (user, device, *contacts, *linked) if node])

    def last_login(self) -> Sequence[int]:
        """Label each event by its device's last user."""
        last = self._last_user()
        return array("I", (last.get(d) or d or self._deciding[n] for n, d in enumerate(self._device)))

    def last_login_so_far(self) -> Sequence[int]:
        """Label each event by its user, else by its device's last user until then, else by the next one."""
        timelines = {device: _changes(logins) for device, logins in self._logins.items()}
        labels = array("I", self._deciding)
        for number, device in enumerate(self._device):
            if not device or self.names.users[number]:
                continue
            times, users = timelines.get(device, ((), (device,)))
            labels[number] = users[max(0, bisect_right(times, self._at_ms[number]) - 1)]
        return labels

    def last_authenticated(self) -> Sequence[int]:
        """Label each event by its component, devices joined to their last user only."""
        graph = Components()
        for device, user in self._last_user().items():
            graph.join([device, user])
        for one, other in self._joined:
            graph.join([one, other])
        return array("I", map(graph.find, self._deciding))

    def plain_components(self) -> Sequence[int]:
        """Label each event by its component of all that was seen together."""
        return array("I", map(self._together.find, self._deciding))

    def _last_user(self) -> dict[int, int]:
        return {device: max(logins)[1] for device, logins in self._logins.items()}

    def _known(self, identifiers: dict[str, str]) -> tuple[int, list[int]]:
        """The user's node, 0 for none, and those of all others, the best first."""
        user, others = 0, []
        for namespace in sorted(identifiers):
            value = self._spelt(namespace, identifiers[namespace])
            if not value:
                continue
            if namespace == _USER:
                user = self._node(namespace, value)
            else:
                others.append(self._node(namespace, value))
        return user, others

    def _spelt(self, namespace: str, value: str) -> str:
        given = (namespace, value)
        stored = self._stored.get(given)
        if stored is None:
            known = self._contacts.stored(namespace, value)
            stored = self._stored[given] = known if is_identifier(known) else ""
        return stored

    def _node(self, namespace: str, value: str) -> int:
        return self._nodes.setdefault((namespace, value), len(self._nodes) + 1)


class Components:
    """A union-find over numbers from 1; 0 stays alone."""

    def __init__(self) -> None:
        self._parents = array("I", [0])

    def find(self, node: int) -> int:
        """What stands for a node's component."""
        parents = self._parents
        if node >= len(parents):
            return node
        while parents[node] != node:
            parents[node] = parents[parents[node]]  # halve the way for the next one
            node = parents[node]
        return node

    def join(self, nodes: Sequence[int]) -> None:
        """Put nodes into one component, the smallest of which stands for it."""
        if not nodes:
            return
        self._parents.extend(range(len(self._parents), max(nodes) + 1))
        roots = [self.find(node) for node in nodes]
        smallest = min(roots)
        for root in roots:
            self._parents[root] = smallest


def _changes(logins: list[tuple[int, int]]) -> tuple[Sequence[int], Sequence[int]]:
    """When the user of a device changed, and to whom."""
    ordered = sorted(logins)
    changes = [ordered[0], *(after for before, after in pairwise(ordered) if before[1] != after[1])]
    return [at_ms for at_ms, _ in changes], [user for _, user in changes]
