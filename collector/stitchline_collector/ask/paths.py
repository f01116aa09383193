"""The best way from one identifier to another through evidence, as a pure function.

Enters: links between nodes, each with the rule that refused it, if one did. Leaves: the links of the best path in order.
Guaranteed: fewest refused links first, then fewest links, then the best kinds; the same answer in whatever order the links come.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

_BEST_KINDS = {"merge": 0, "login": 1, "link": 2, "contact": 3}


class Link(NamedTuple):
    """Evidence between two nodes.

    Attributes:
        low: the smaller node.
        high: the other one.
        kind: `login`, `link`, `contact` or `merge`.
        refused_by: the rule by which it was refused; empty where it was accepted.
    """

    low: int
    high: int
    kind: str
    refused_by: str


class Step(NamedTuple):
    """A link, walked in one direction."""

    origin: int
    target: int
    link: Link


class _Cost(NamedTuple):
    refused: int
    links: int
    kinds: int

    def plus(self, link: Link) -> _Cost:
        return _Cost(
            self.refused + bool(link.refused_by), self.links + 1, self.kinds + _BEST_KINDS[link.kind]
        )


def best_path(links: Iterable[Link], start: int, end: int) -> list[Step] | None:
    """Find the best path.

    Args:
        links: in any order.
        start: a node.
        end: another.

    Returns:
        Steps from start to end, none where they are the same node; None where no links connect them.
    """
    leaving: defaultdict[int, list[Step]] = defaultdict(list)
    for link in sorted(set(links)):
        leaving[link.low].append(Step(link.low, link.high, link))
        leaving[link.high].append(Step(link.high, link.low, link))
    reached_by: dict[int, Step | None] = {}
    # Dijkstra's algorithm; the numbers of node and link break ties.
    waiting: list[tuple[_Cost, int, Link | None, Step | None]] = [(_Cost(0, 0, 0), start, None, None)]
    while waiting:
        cost, node, _, step = heapq.heappop(waiting)
        if node in reached_by:
            continue
        reached_by[node] = step
        if node == end:
            return _walked(reached_by, end)
        for following in leaving[node]:
            if following.target not in reached_by:
                heapq.heappush(
                    waiting, (cost.plus(following.link), following.target, following.link, following)
                )
    return None


def _walked(reached_by: dict[int, Step | None], end: int) -> list[Step]:
    steps: list[Step] = []
    step = reached_by[end]
    while step is not None:
        steps.append(step)
        step = reached_by[step.origin]
    return steps[::-1]
