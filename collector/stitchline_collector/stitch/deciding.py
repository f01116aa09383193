"""Persons of a region of the graph, decided and written down.

Enters: a desk and a region that was read whole. Leaves: rows of the identity tables, and a loaded dictionary. Guaranteed: only what
changed is written, and nothing is when nothing did.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from .claims import Place
from .desk import Desk
from .graph import Region
from .resolve import resolve
from .sessions import NOBODY, Claim, Owner


class Decided(NamedTuple):
    """How many nodes got another person, and how much evidence is refused that was not."""

    persons: int
    refused: int


def decide(
    desk: Desk, region: Region, claims: Collection[Claim] = (), blocked: Collection[int] = ()
) -> Decided:
    """Decide about a region.

    Args:
        desk: to write with.
        region: what was read.
        claims: new ones: whose sessions are in question besides those on devices that become nobody's.
        blocked: what is said to name nobody.

    Raises:
        EngineError: ClickHouse broke off; it may be repeated.
    """
    resolution = resolve(
        region.ordered(),
        region.namespaces,
        nobodys=region.nobodys,
        unlinks=region.unlinks,
        rules=desk.rules,
    )
    persons = {node: resolution.persons.get(node, node) for node in region.decided}
    persons |= region.leaves
    persons |= dict.fromkeys(blocked, NOBODY)
    previous = region.previous | desk.graph.persons(blocked)
    changed = {node: person for node, person in sorted(persons.items()) if previous.get(node, node) != person}
    sessions = _sessions(desk, persons, changed, claims)
    refused_before = desk.graph.quarantined(region.edges)
    verdicts = {
        key: resolution.refused.get(key, "") for key in resolution.refused.keys() | refused_before.keys()
    }
    verdicts = {key: rule for key, rule in verdicts.items() if rule != refused_before.get(key, "")}
    if not (changed or sessions or verdicts):
        return Decided(0, 0)
    known_from = desk.dictionaries.next_moment()
    desk.dictionaries.note(known_from, len(changed), len(sessions))
    # Persons last: what they say is decided is not read again, so all that follows from it must be written by then.
    desk.ledger.write_quarantine(verdicts, region.namespaces, known_from)
    desk.ledger.write_sessions(sessions, known_from)
    desk.ledger.write_persons(changed, previous, known_from)
    desk.dictionaries.load_recent()
    return Decided(len(changed), sum(1 for rule in verdicts.values() if rule))


def _sessions(
    desk: Desk, persons: Mapping[int, int], changed: Mapping[int, int], claims: Collection[Claim]
) -> dict[Place, list[Owner]]:
    """Decide whose the sessions are on devices that became nobody's, and those with new claims where that is long known."""
    became = {node for node, person in changed.items() if person == NOBODY}
    unknown = {claim.device_node for claim in claims} - persons.keys()
    known = {**persons, **desk.graph.persons(unknown)}
    nobodys = {node for node, person in known.items() if person == NOBODY}
    touched = [claim for claim in claims if claim.device_node in nobodys - became]
    return desk.claims.changed(became, touched) if became or touched else {}
