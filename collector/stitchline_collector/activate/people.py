"""What the tables say about some people: their nodes, what they were told, what they are in.

Enters: a reader and person ids. Leaves: facts by person. Guaranteed: what was written about somebody before persons merged is found by
the person of now, because it was written by a node of theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from ..engine import Reader
from ..segments.statements import person_of

_PERSONS_AT_ONCE = 300  # their nodes travel in the address of a request

_NODES = (
    "SELECT DISTINCT node, person_id FROM identity_members "  # noqa: S608 (constants)
    f"WHERE person_id IN {{persons:Array(UInt64)}} AND {person_of('node')} = person_id"
)
_STATES = """
SELECT node, is_in, occurrence
FROM activation_states FINAL
WHERE trigger = {trigger:String} AND node IN {nodes:Array(UInt64)}
"""
_TOLD = """
SELECT node, uniqExact(id)
FROM activation_told
WHERE node IN {nodes:Array(UInt64)} AND webhook = {webhook:String} AND told_at > now64(3) - toIntervalMillisecond({window_ms:UInt64})
GROUP BY node
"""


class State(NamedTuple):
    """Whether somebody is in a segment, or has reached a milestone, and how often they entered."""

    is_in: bool
    occurrence: int


class People:
    """Some persons and their nodes.

    Args:
        reader: reads the tables.
        persons: ids, not 0.
    """

    def __init__(self, reader: Reader, persons: Sequence[int]) -> None:
        self.persons = persons
        self._reader = reader
        self._person_of = dict.fromkeys(persons, 0) | {person: person for person in persons}
        self._person_of |= dict(reader.query(_NODES, {"persons": list(persons)}))

    @property
    def nodes(self) -> list[int]:
        """The nodes of all of them."""
        return list(self._person_of)

    def states(self, trigger: str) -> dict[int, State]:
        """How each stands to a trigger; who is not written down has no entry."""
        found: dict[int, State] = {}
        for node, is_in, occurrence in self._reader.query(_STATES, {"trigger": trigger, "nodes": self.nodes}):
            person = self._person_of[node]
            before = found.get(person, State(is_in=False, occurrence=0))
            found[person] = State(before.is_in or bool(is_in), max(before.occurrence, occurrence))
        return found

    def entered_nodes(self, trigger: str, persons: Collection[int]) -> list[int]:
        """The nodes under which some of them are written down as being in."""
        rows = self._reader.query(_STATES, {"trigger": trigger, "nodes": self.nodes})
        return [node for node, is_in, _ in rows if is_in and self._person_of[node] in persons]

    def told(self, webhook: str, window_s: float) -> dict[int, int]:
        """How many messages about each a webhook was told within the window."""
        found: dict[int, int] = defaultdict(int)
        asked = {"nodes": self.nodes, "webhook": webhook, "window_ms": int(window_s * 1000)}
        for node, messages in self._reader.query(_TOLD, asked):
            found[self._person_of[node]] += messages
        return found


def some(reader: Reader, persons: Collection[int]) -> Iterator[People]:
    """Take persons a few hundred at a time."""
    ordered = sorted(set(persons) - {0})
    for place in range(0, len(ordered), _PERSONS_AT_ONCE):
        yield People(reader, ordered[place : place + _PERSONS_AT_ONCE])
