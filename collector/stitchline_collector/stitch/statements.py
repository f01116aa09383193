"""Nodes in statements: how many at a time, and written how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
# In one statement: look-ups of many nodes touch most of a table's granules, so each statement costs about as much as a scan.
_BATCH = 100_000
LARGE = {"max_query_size": 16 * 1024 * 1024}  # of 100,000 edges: each takes 42 bytes


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut into lists that fit a statement."""
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def array(nodes: Iterable[int]) -> str:
    """Write nodes as ClickHouse reads them fastest: 15 ms for 4,000, against 40 as a list and 180 as a list of pairs."""
    return f"CAST('[{','.join(map(str, nodes))}]', 'Array(UInt64)')"
