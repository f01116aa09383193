"""Evidence around nodes, with the rule that refused each piece, as ClickHouse holds it.

Enters: nodes. Leaves: links for the path search, and what is known of each. Guaranteed: the search is bounded, and says when it
stopped at a bound; hubs and shared devices are entered and left, never read whole.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from ..engine import Reader
from ..stitch.rules import DEFAULT_RULES, IdentityRules
from ..stitch.statements import batches
from .asked import NOBODY, Found, ask
from .paths import Link
from .questions import questions

MOST_OF_A_NODE = 500  # pieces of evidence read of one node
MOST_NODES = 2000  # nodes of a ring, and of all rings but the last
MOST_READ = 20_000  # pieces of evidence read of one ring
MOST_RINGS = 8  # refused links between the two ends


class Known(NamedTuple):
    """What is known of a link."""

    first_seen: dt.datetime
    last_seen: dt.datetime
    known_at: dt.datetime
    sessions: int
    event_id: uuid.UUID


class Pair(NamedTuple):
    """Where evidence was seen, before it is known whether it was refused."""

    low: int
    high: int
    kind: str


@dataclass
class Around:
    """What was read around two nodes.

    Attributes:
        pairs: the evidence.
        is_whole: no bound was hit.
    """

    pairs: dict[Pair, Known] = field(default_factory=dict)
    is_whole: bool = True

    def links(self, reader: Reader) -> list[Link]:
        """Return the evidence with the rules that refused it."""
        refused = _refusals(reader, self.pairs)
        return [Link(*pair, refused.get(pair, "")) for pair in self.pairs]


def within(reader: Reader, nodes: Collection[int]) -> Around:
    """Read the evidence among some nodes.

    Args:
        reader: of this thread.
        nodes: all of one person's.
    """
    around = Around()
    _read(reader, set(nodes), around, among=set(nodes))
    return around


def around(reader: Reader, nodes: Collection[int]) -> Around:
    """Read all evidence of some nodes, also that with others.

    Args:
        reader: of this thread.
        nodes: all of one person's.
    """
    found = Around()
    _read(reader, _first(set(nodes), found), found)
    return found


def between(reader: Reader, one: Found, other: Found) -> Around:
    """Read evidence from two sides until they meet, or nothing is left, or a bound is hit.

    A ring is what one more refused link leads to, and all identifiers of the persons there; the smaller side goes on. So the
    rings that meet first hold a path with the fewest refused links.

    Args:
        reader: of this thread.
        one: a node and its person.
        other: a node of another person.
    """
    around = Around()
    sides = [_Side(_persons(reader, [found])) for found in (one, other)]
    for _ in range(MOST_RINGS):
        if sides[0].seen & sides[1].seen:
            break
        growing = min(sides, key=lambda side: len(side.ring))
        if not growing.ring:
            return around
        if sum(len(side.seen) for side in sides) > MOST_NODES:
            around.is_whole = False
            break
        _grow(reader, growing, around)
    else:
        around.is_whole = around.is_whole and bool(sides[0].seen & sides[1].seen)
    for side in sides:  # how the last rings hang together inside
        _read(reader, side.ring, around)
    return around


def unlinked(reader: Reader, one: Collection[int], other: Collection[int]) -> list[dict[str, Any]]:
    """Tell which of two persons' identifiers were said to be two people, when, and why."""
    if not one or not other:
        return []
    found = ask(reader, "unlinked", nodes=list(one), others=list(other))
    moments = sorted({row["unlinked_at"].strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] for row in found})
    events = ask(reader, "unlink_events", moments=moments) if moments else []
    return [row | _said(row, events) for row in found]


def rules_in_force(reader: Reader) -> IdentityRules:
    """Return the rules that the persons of now were decided by."""
    rows = reader.query("SELECT rules FROM identity_rules ORDER BY decided_at DESC LIMIT 1")
    return msgspec.json.decode(rows[0][0], type=IdentityRules) if rows else DEFAULT_RULES


class _Side:
    """What was reached from one end: all of it, and the ring that nothing was read of yet."""

    def __init__(self, ring: set[int]) -> None:
        self.ring = ring
        self.seen = set(ring)


def _grow(reader: Reader, side: _Side, around: Around) -> None:
    reached = _first(_read(reader, side.ring, around) - side.seen, around)
    found = [Found(**row) for row in ask(reader, "persons_of", nodes=sorted(reached))] if reached else []
    side.ring = _first(_persons(reader, found) - side.seen, around)
    side.seen |= side.ring


def _first(nodes: set[int], around: Around) -> set[int]:
    """Return no more nodes than are read at once."""
    around.is_whole &= len(nodes) <= MOST_NODES
    return set(sorted(nodes)[:MOST_NODES])


def _persons(reader: Reader, found: Iterable[Found]) -> set[int]:
    """Return all nodes of the persons of some nodes; of nobody's, the node itself."""
    found = list(found)
    persons = sorted({one.person_id for one in found} - {NOBODY})
    members = {row["node"] for row in ask(reader, "members", persons=persons)} if persons else set()
    return members | {one.node for one in found}


def _read(reader: Reader, nodes: set[int], around: Around, among: Collection[int] = ()) -> set[int]:
    """Read the evidence of some nodes, or only that among some; returns their neighbours."""
    neighbours: set[int] = set()
    count: dict[int, int] = {}
    # One more than shall be read tells that there is more.
    parameters = {
        "nodes": sorted(nodes),
        "others": sorted(among),
        "most": MOST_OF_A_NODE + 1,
        "rows": MOST_READ + 1,
    }
    for row in ask(reader, "evidence", **parameters) if nodes else []:
        node, neighbour, kind, *known = row.values()
        neighbours.add(neighbour)
        around.pairs[Pair(min(node, neighbour), max(node, neighbour), kind)] = Known(*known)
        count[node] = count.get(node, 0) + 1
    around.is_whole &= sum(count.values()) <= MOST_READ
    around.is_whole &= all(number <= MOST_OF_A_NODE for number in count.values())
    return neighbours


def _refusals(reader: Reader, pairs: Collection[Pair]) -> dict[Pair, str]:
    blocked = _blocked(reader) if pairs else set()
    refused: dict[Pair, str] = {}
    for batch in batches(pairs):
        nodes = sorted({node for pair in batch for node in pair[:2]})
        for row in reader.query(questions()["refusals"].sql, {"nodes": nodes}):
            pair = Pair(min(row[:2]), max(row[:2]), row[2])
            refused[pair] = "blocked" if blocked & {pair.low, pair.high} else row[3]
    return refused


def _blocked(reader: Reader) -> set[int]:
    rows = reader.query("SELECT blocked FROM identity_rules ORDER BY decided_at DESC LIMIT 1")
    return set(rows[0][0]) if rows else set()


def _said(row: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    """Find the event by which two nodes were unlinked."""
    ends = {row["node"], row["neighbour"]}
    for event in events:
        said = {*event["own"], *event["linked"]}
        if event["occurred_at"] == row["unlinked_at"] and ends <= said:
            return {"reason": event["reason"], "source": event["source"]}
    return {"reason": "", "source": ""}
