"""The analysts' views as of a past moment: the same text over the persons of then.

Enters: the SELECT of a view in `clickhouse/views`. Leaves: that of `NAME_asof`, with one more parameter, `at`. Guaranteed: it differs
from the view in where it reads and in nothing else, so both give the same answer about the same persons.
"""

from __future__ import annotations

import re

PARAMETER = "at"
_AT = f"{PARAMETER} = {{{PARAMETER}:String}}"
_PLAIN = re.compile(r"\bFROM journey_events\b")
_VIEWS = re.compile(r"\bFROM (funnel_ways|attribution_paths)\(")
# On a cluster ClickHouse would hand a condition on a subquery down to the shards with its moment as seconds since 1970; those of a moment
# before 1973, and `since` begins in 1970, are too few digits to be read there as one (ClickHouse #94612).
_NOT_HANDED_DOWN = "SETTINGS allow_push_predicate_ast_for_distributed_subqueries = 0"
# One person's timeline names the evidence of now; what was known of one person is `stitchline journey --as-of`.
_ONLY_NOW = frozenset({"timeline"})


def has_past(name: str, sql: str) -> bool:
    """Whether there is a view of this name about a past moment: its people must come from `journey_events` alone."""
    return name not in _ONLY_NOW and bool(_PLAIN.search(sql) or _VIEWS.search(sql))


def name_of(view: str) -> str:
    """The name of a view about a past moment."""
    return f"{view}_asof"


def of_then(sql: str) -> str:
    """The SELECT of a view, about a past moment."""
    then = _VIEWS.sub(rf"FROM \1_asof({_AT}, ", _PLAIN.sub(f"FROM journey_events_asof({_AT})", sql))
    return f"{then.rstrip()}\n{_NOT_HANDED_DOWN}"
