"""The truth beside each event: whose it is, where it stands, and whether anything in the data could tell.

Enters: all that happened in a neighbourhood. Leaves: a verdict for each happening. Guaranteed: decided by what is true, never by
a rule of stitching.

**Strata**, the first that fits:

- `server`: no device took part. `kiosk`: a kiosk, till or cash machine. `throw_away`: a private window.
- `shared_device_signed_in`: on a family device or a public computer, the event says a user.
- `shared_device_unsigned`: there, without a user, in a session in which this person shows an identifier of their own.
- `shared_device_nobody`: there, in a session in which they show none.
- `borrowed_device`: on a device that somebody else of the household owns.
- `before_login`: on a device of one's own, before one's first event with one's user on that installation, if there is one.
- `own_device`: all the rest.

**Solvable** means: evidence exists from which it can be told that this event is this person's. Of each person a graph is made
of true evidence alone:

- its nodes are the identifiers that are theirs alone (not an address, number or card that a household shares, not an account
  that was lent to them, not the shop's address, not a second account: nothing says whose those are), the sessions they took part in, and the installations that are theirs:
  on a machine they own, on which no other person's user ever was;
- each of their events joins what it says (on either side of a link), its session and, if it is theirs, its installation.

An event is solvable if it lies in that graph's main component: the one with the account; for somebody without, the one with an
identifier that holds most of their events. An event that says somebody else's user is not solvable. So an anonymous device
that never shows an identifier, an unsigned session on a shared device and a passer-by are not; the long anonymous phase before
a login on one's own device is.
"""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from .happening import Happening, Installation
from .people import Belongs, Person

_NOBODYS = ("", "null", "guest")


class Stratum(enum.StrEnum):
    """Where an event stands; see above."""

    OWN_DEVICE = "own_device"
    BEFORE_LOGIN = "before_login"
    SHARED_DEVICE_SIGNED_IN = "shared_device_signed_in"
    SHARED_DEVICE_UNSIGNED = "shared_device_unsigned"
    SHARED_DEVICE_NOBODY = "shared_device_nobody"
    BORROWED_DEVICE = "borrowed_device"
    KIOSK = "kiosk"
    SERVER = "server"
    THROW_AWAY = "throw_away"


class Verdict(NamedTuple):
    """What is true of an event; `person` is None for somebody who is nowhere else in the data."""

    person: int | None
    stratum: Stratum
    solvable: bool


def judge(happened: Sequence[Happening]) -> list[Verdict]:
    """Say what is true.

    Args:
        happened: everything that happened on the installations that are in it.

    Returns:
        One verdict for each, in their order.
    """
    facts = _Facts(happened)
    by_person: defaultdict[Person, list[Happening]] = defaultdict(list)
    for happening in happened:
        if happening.person is not None:
            by_person[happening.person].append(happening)
    solvable: set[Happening] = set()
    for person, events in by_person.items():
        solvable.update(_solvable(person, events, facts))
    return [
        Verdict(
            None if happening.person is None else happening.person.number,
            facts.stratum(happening),
            happening in solvable,
        )
        for happening in happened
    ]


class _Facts:
    """What must be known of all events before one can be judged."""

    def __init__(self, happened: Iterable[Happening]) -> None:
        self._users: defaultdict[Installation, set[str]] = defaultdict(set)
        self._first_login_ms: dict[Installation, int] = {}
        self._shown: set[tuple[str, Person]] = set()
        for happening in happened:
            installation, person = happening.installation, happening.person
            user = happening.identifiers.get("user", "")
            if installation and user not in _NOBODYS:
                self._users[installation].add(user)
                if person and user in (person.account, person.second_account):
                    first_ms = self._first_login_ms.get(installation, happening.at_ms)
                    self._first_login_ms[installation] = min(first_ms, happening.at_ms)
            said = (*happening.identifiers.items(), *happening.linked.items())
            if person and any(named in person.own for named in said):
                self._shown.add((happening.session, person))

    def is_theirs(self, installation: Installation, person: Person) -> bool:
        """Whether an installation is a person's by all that was ever seen on it."""
        machine = installation.machine
        return (
            machine.belongs is Belongs.OWN
            and machine.owner is person
            and all(
                ("user", user) in person.own or user == person.second_account
                for user in self._users[installation]
            )
        )

    def stratum(self, happening: Happening) -> Stratum:
        """Where an event stands."""
        installation, person = happening.installation, happening.person
        if installation is None:
            return Stratum.SERVER
        machine = installation.machine
        if machine.belongs is Belongs.PLACE:
            return Stratum.KIOSK
        if installation.is_private:
            return Stratum.THROW_AWAY
        if machine.belongs is not Belongs.OWN:
            return self._on_shared(happening)
        if machine.owner is not person:
            return Stratum.BORROWED_DEVICE
        first_login_ms = self._first_login_ms.get(installation)
        is_before = first_login_ms is not None and happening.at_ms < first_login_ms
        return Stratum.BEFORE_LOGIN if is_before else Stratum.OWN_DEVICE

    def _on_shared(self, happening: Happening) -> Stratum:
        if happening.identifiers.get("user", "") not in _NOBODYS:
            return Stratum.SHARED_DEVICE_SIGNED_IN
        shown = (happening.session, happening.person) in self._shown
        return Stratum.SHARED_DEVICE_UNSIGNED if shown else Stratum.SHARED_DEVICE_NOBODY


def _solvable(person: Person, events: list[Happening], facts: _Facts) -> list[Happening]:
    """Events of one person in the main component of the true evidence."""
    graph = _Components()
    theirs = {
        installation.id: facts.is_theirs(installation, person) for installation in _installations(events)
    }
    at: dict[Happening, Hashable] = {}
    for happening in events:
        nodes = _nodes(happening, person, theirs)
        graph.join(nodes)
        user = happening.identifiers.get("user", "")
        if nodes and (user in _NOBODYS or ("user", user) in person.own):
            at[happening] = nodes[0]
    main = _main(person, at, graph)
    if main is None:
        return []
    return [happening for happening, node in at.items() if graph.find(node) == main]


def _installations(events: Iterable[Happening]) -> set[Installation]:
    return {happening.installation for happening in events if happening.installation}


def _nodes(happening: Happening, person: Person, theirs: dict[str, bool]) -> list[Hashable]:
    said = (*happening.identifiers.items(), *happening.linked.items())
    nodes: list[Hashable] = [named for named in said if named in person.own]
    shown = happening.linked.get("device", "")
    if happening.installation and theirs[happening.installation.id]:
        nodes.append(("device", happening.installation.id))
        # A code that is scanned joins two installations only where both can be told to be theirs.
        if theirs.get(shown):
            nodes.append(("device", shown))
    if happening.session:
        nodes.append(("session", happening.session))
    return nodes


def _main(person: Person, at: dict[Happening, Hashable], graph: _Components) -> Hashable | None:
    account = ("user", person.account)
    if account in person.own and account in graph:
        return graph.find(account)
    named = {graph.find(own) for own in sorted(person.own) if own in graph}
    sizes = Counter(root for node in at.values() if (root := graph.find(node)) in named)
    return max(sizes, key=lambda root: (sizes[root], repr(root)), default=None)


class _Components:
    """A union-find over anything hashable."""

    def __init__(self) -> None:
        self._parents: dict[Hashable, Hashable] = {}

    def __contains__(self, node: Hashable) -> bool:
        return node in self._parents

    def find(self, node: Hashable) -> Hashable:
        """What stands for a node's component."""
        parents = self._parents
        root = node
        while parents[root] != root:
            root = parents[root]
        while parents[node] != root:
            parents[node], node = root, parents[node]
        return root

    def join(self, nodes: list[Hashable]) -> None:
        """Put nodes into one component."""
        for node in nodes:
            self._parents.setdefault(node, node)
        for node in nodes[1:]:
            self._parents[self.find(node)] = self.find(nodes[0])
