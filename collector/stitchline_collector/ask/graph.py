"""The evidence for one person as a graph: what was seen together, and what would have joined somebody else and was refused.

Enters: an identifier. Leaves: one dictionary, ready for JSON. Guaranteed: bounded, accepted evidence first; it says when there is more.
"""

from __future__ import annotations

from typing import Any

from ..engine import Reader
from .asked import NOBODY, PERSON, Asked, ask, find
from .evidence import around, rules_in_force
from .nobodys import Nobodys, nobodys
from .paths import Link, Step
from .why import Telling, is_seen, members_of, names_of

MOST_EDGES = 200


def graph(reader: Reader, who: Asked) -> dict[str, Any] | Nobodys | None:
    """Tell the evidence for the person an identifier belongs to.

    Args:
        reader: of this thread.
        who: the identifier.

    Returns:
        `nodes`, each an identifier with its person and whether it is theirs; `edges` between them, each with its kind, when and in how
        many sessions it was seen, an event as a sample, and the rule that refused it; `is_whole`, false where there is more than is
        told. Why it is nobody's, where the identifier is; None when nobody was ever seen with it.
    """
    end = find(reader, who)
    if end.person_id == NOBODY:
        return nobodys(reader, who, end.node)
    if not is_seen(reader, end):
        return None
    theirs = set(members_of(reader, end))
    found = around(reader, theirs)
    # Accepted evidence to others is that of a moment: they are being joined.
    links = [link for link in found.links(reader) if link.refused_by or {link.low, link.high} <= theirs]
    links.sort(key=lambda link: (bool(link.refused_by), link))
    told = links[:MOST_EDGES]
    nodes = {end.node} | {node for link in told for node in (link.low, link.high)}
    names = names_of(reader, nodes)
    if who.namespace != PERSON or end.node not in names:  # a hash tells a clerk nothing
        names[end.node] = who.typed
    persons = {row["node"]: row["person_id"] for row in ask(reader, "persons_of", nodes=sorted(nodes))}
    telling = Telling(reader, rules_in_force(reader), names, found)
    return {
        "person_id": str(end.person_id),
        "nodes": [
            {
                "identifier": names.get(node, str(node)),
                "person_id": str(persons[node]),
                "theirs": persons[node] == end.person_id,
            }
            for node in sorted(nodes)
        ],
        "edges": telling.steps([_step(link) for link in told]),
        "is_whole": found.is_whole and len(told) == len(links),
    }


def _step(link: Link) -> Step:
    return Step(link.low, link.high, link)
