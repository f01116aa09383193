"""The commonest news, decided without reading anybody's evidence: a new device of a known user.

Enters: news. Leaves: those edges of it whose device is simply the user's. Guaranteed: `resolve` would say the same, and nothing
else would change by them.

Why. The device hangs on its login alone, so it is no place and no hub, and a user never is one. Taking the edge, then, fails
only where the person would have too many devices; that limit is checked after all others, so where there is room for all
of them no other edge is refused for one more, nor for another reason. And a device neither names a person who has a user
nor brings another value. Were the user's own person decided anew in the same round, the edge is taken there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable
from typing import NamedTuple

from .evidence import Collected, Key, Kind
from .identifiers import DEVICE, USER


class Leaf(NamedTuple):
    """A device, the one user seen on it, and the edge between them."""

    device: int
    user: int
    key: Key


def candidates(news: Iterable[Key], collected: Collected, known: Container[int]) -> list[Leaf]:
    """Return what may be leaves, as far as the news alone tells.

    Args:
        news: edges that can change the answer.
        collected: the evidence they come from.
        known: nodes that were named before.
    """
    neighbours = Counter(node for key in collected.edges for node in (key.low, key.high))
    excluded = collected.places | {node for one in collected.unlinks for node in (one.low, one.high)}
    found = []
    for key in news:
        for device, user in ((key.low, key.high), (key.high, key.low)):
            if (
                key.kind is Kind.LOGIN
                and neighbours[device] == 1
                and collected.identifiers[device].namespace == DEVICE
                and collected.identifiers[user].namespace == USER
                and device not in excluded
                and device not in known
            ):
                found.append(Leaf(device, user, key))
    return found


def with_room(leaves: Collection[Leaf], members: Counter[int], limit: int) -> list[Leaf]:
    """Return the leaves of users who stay within their limit.

    Args:
        leaves: of users who are their own person.
        members: by user, at least how many other identifiers the person has.
        limit: the most devices of a person.
    """
    more = Counter(leaf.user for leaf in leaves)
    return [leaf for leaf in leaves if members[leaf.user] + more[leaf.user] <= limit]
