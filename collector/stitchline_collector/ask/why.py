"""Why two identifiers are one person, or what stands between them.

Enters: two identifiers. Leaves: one dictionary, ready for JSON: the best path of evidence, each step with when and how often it
was seen and an event as a sample. Guaranteed: a path of accepted evidence exactly when both are one person; in the moment between a
decision and the writing down of its evidence, it says that there is none yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..engine import Reader
from ..stitch.rules import IdentityRules
from .asked import NOBODY, PERSON, Asked, Found, ask, find, iso
from .evidence import Around, Known, Pair, between, rules_in_force, unlinked, within
from .nobodys import nobodys
from .paths import Step, best_path
from .words import because, meaning


class Unseen(NamedTuple):
    """Nobody was ever seen with an identifier."""

    who: Asked


def why(reader: Reader, one: Asked, other: Asked) -> dict[str, Any] | Unseen:
    """Explain two identifiers.

    Args:
        reader: of this thread.
        one: an identifier.
        other: another.

    Returns:
        `one_person`; `steps`, none where there is no evidence at all; `told`, the same in a sentence; and `is_whole`, false
        where the search stopped at a bound. Where they are two, a step that was refused says by which rule, and why.
    """
    ends = [find(reader, who) for who in (one, other)]
    for who, end in zip((one, other), ends, strict=True):
        if not is_seen(reader, end):
            return Unseen(who)
    are_one = ends[0].person_id == ends[1].person_id != NOBODY
    if ends[0].node == ends[1].node:
        around, steps = Around(), []
    else:
        around = within(reader, members_of(reader, ends[0])) if are_one else between(reader, *ends)
        links = [link for link in around.links(reader) if not (are_one and link.refused_by)]
        steps = best_path(links, ends[0].node, ends[1].node) or []
        # The stitcher writes persons before the evidence that led to them, so for a moment there is no path yet.
        around.is_whole &= bool(steps) or not are_one
    named = _names(reader, steps, zip((one, other), ends, strict=True))
    told = Telling(reader, rules_in_force(reader), named, around)
    return {
        "a": _end(one, ends[0]),
        "b": _end(other, ends[1]),
        "one_person": are_one,
        "told": _told(reader, (one, other), ends, steps, is_whole=around.is_whole),
        "steps": told.steps(steps),
        "unlinked": [] if are_one else told.unlinked([members_of(reader, end) for end in ends]),
        "is_whole": around.is_whole,
    }


class Telling:
    """Puts steps into words and JSON."""

    def __init__(self, reader: Reader, rules: IdentityRules, named: dict[int, str], around: Around) -> None:
        self._reader = reader
        self._rules = rules
        self._named = named
        self._around = around

    def steps(self, steps: list[Step]) -> list[dict[str, Any]]:
        """Tell the steps of a path."""
        known = [self._around.pairs[Pair(*step.link[:3])] for step in steps]
        samples = self._samples(steps, known)
        return [
            self._step(step, one, samples.get(str(one.event_id)))
            for step, one in zip(steps, known, strict=True)
        ]

    def unlinked(self, members: list[list[int]]) -> list[dict[str, Any]]:
        """Tell who was said to be two people."""
        found = unlinked(self._reader, *members)
        nodes = {row[name] for row in found for name in ("node", "neighbour")}
        named = self._named | names_of(self._reader, nodes - self._named.keys())
        return [
            {
                "a": named.get(row["node"], ""),
                "b": named.get(row["neighbour"], ""),
                "unlinked_at": iso(row["unlinked_at"]),
                "reason": row["reason"],
                "source": row["source"],
            }
            for row in found
        ]

    def _step(self, step: Step, known: Known, sample: dict[str, Any] | None) -> dict[str, Any]:
        rule = step.link.refused_by
        origin, target = (self._named.get(node, str(node)) for node in (step.origin, step.target))
        return {
            "from": origin,
            "to": target,
            "kind": step.link.kind,
            "means": meaning(step.link.kind, origin.partition(":")[0], target.partition(":")[0]),
            "first_seen": iso(known.first_seen),
            "last_seen": iso(known.last_seen),
            "sessions": known.sessions,
            "event": sample or {"event_id": str(known.event_id)},
            "refused_by": rule,
            "because": because(rule, self._rules) if rule else "",
        }

    def _samples(self, steps: list[Step], known: list[Known]) -> dict[str, dict[str, Any]]:
        if not steps:
            return {}
        rows = ask(
            self._reader,
            "sample_events",
            nodes=sorted({node for step in steps for node in (step.origin, step.target)}),
            events=[str(one.event_id) for one in known],
            first_seen=_text(min(one.first_seen for one in known)),
            last_seen=_text(max(one.last_seen for one in known)),
            known_at=[_text(one.known_at) for one in known],
        )
        return {
            str(row["event_id"]): row
            | {"event_id": str(row["event_id"]), "occurred_at": iso(row["occurred_at"])}
            for row in rows
        }


def _told(
    reader: Reader, asked: tuple[Asked, Asked], ends: list[Found], steps: list[Step], *, is_whole: bool
) -> str:
    """Say the whole in a sentence."""
    both = " and ".join(who.typed for who in asked)
    if ends[0].node == ends[1].node:
        return f"{both} are the same identifier"
    if ends[0].person_id == ends[1].person_id != NOBODY:
        return f"{both} are one person" + (
            "" if steps else "; why is being written down: ask again in a moment"
        )
    for who, end in zip(asked, ends, strict=True):
        if end.person_id == NOBODY:
            return nobodys(reader, who, end.node).error
    if steps:
        return f"{both} are two people: what would join them was refused"
    searched = "" if is_whole else ", as far as was searched: there is more than can be read at once"
    return f"{both} are two people: no evidence connects them{searched}"


def is_seen(reader: Reader, end: Found) -> bool:
    """Whether a node is anybody's: seen with another, or alone."""
    if end.person_id != end.node or ask(reader, "node_names", nodes=[end.node]):
        return True
    return bool(
        reader.query("SELECT 1 FROM identity_visits WHERE node = {node:UInt64} LIMIT 1", {"node": end.node})
    )


def members_of(reader: Reader, end: Found) -> list[int]:
    """Tell all nodes of a node's person; of nobody's, the node itself."""
    if end.person_id == NOBODY:
        return [end.node]
    rows = ask(reader, "members", persons=[end.person_id])
    return sorted({row["node"] for row in rows} | {end.node})


def _names(reader: Reader, steps: list[Step], ends: Iterable[tuple[Asked, Found]]) -> dict[int, str]:
    """Name the nodes of a path; its ends as they were asked for, because a hash tells a clerk nothing."""
    typed = {end.node: who for who, end in ends}
    nodes = {node for step in steps for node in (step.origin, step.target)} | typed.keys()
    named = names_of(reader, nodes)
    kept = {node: who.typed for node, who in typed.items() if who.namespace != PERSON or node not in named}
    return named | kept


def names_of(reader: Reader, nodes: set[int]) -> dict[int, str]:
    """Name nodes as the tables hold them, of those that were seen with another one."""
    rows = ask(reader, "node_names", nodes=sorted(nodes)) if nodes else []
    return {row["node"]: f"{row['namespace']}:{row['value']}" for row in rows}


def _end(who: Asked, end: Found) -> dict[str, str]:
    return {"identifier": who.typed, "person_id": str(end.person_id)}


def _text(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
