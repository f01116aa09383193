"""What two devices are compared by: one table, with how each level is told in SQL.

Enters: nothing. Leaves: `FEATURES`, in the order in which they stand in a pattern, and the SQL that makes a pattern. Guaranteed: each
pair has exactly one level of each feature, and all pairs fall into a few hundred patterns.

In the SQL `low` and `high` are the two rows of `identity_candidate_devices`; `pairs` tells of the networks they share. The first
feature is the networks; the others are known of any two devices.

Features that depend on each other whoever uses the devices count as one, or their weights would be given twice: how rare
the networks are and whether both were there on one day; the time zone and the locale. The share of time spent in common networks was tried and left
out: it tells busy devices from others, not pairs that belong together, and took the learning with it.
"""

from __future__ import annotations

import math
from string import Template
from typing import NamedTuple

VERSION = 1
"""Of this table and of how weights are learnt; stored with each run."""

UNKNOWN = "unknown"
"""A level that says nothing: it weighs nothing."""

LEAST_ACTIVE_HOURS = 8  # of a device whose week is compared at all
_SIZES = (3, 4, 6, 9, 13, 21, 34)
_LARGER = 60  # devices in what is larger, for the beginning
_SAME_DAY = "_same_day"


class Feature(NamedTuple):
    """One way to compare.

    Attributes:
        name: one word.
        levels: all that say something, the most alike first.
        sql: gives the level.
    """

    name: str
    levels: tuple[str, ...]
    sql: str


def _network_levels(suffix: str) -> tuple[str, ...]:
    return (*(f"of_{size}{suffix}" for size in _SIZES), f"of_more{suffix}")


# A network of n devices counts 1 / (n - 1): the chance that one of the others, taken by lot, is this one; logarithms would
# make two networks of fifty worth more than one of two. A pair is as close as in one network of so many devices.
_CLOSENESS = "".join(f"closeness >= {1 / (size - 1) - 1e-6:.6f}, 'of_{size}', " for size in _SIZES)

NETWORKS = Feature(
    "networks",
    (*_network_levels(_SAME_DAY), *_network_levels("")),
    f"concat(multiIf({_CLOSENESS}'of_more'), if(days_together > 0, '{_SAME_DAY}', ''))",
)
CHAINS = (_network_levels(_SAME_DAY), _network_levels(""))
"""Levels of `NETWORKS` that differ in size only, the smallest first: a larger network never speaks more for a pair."""

OWN_FEATURES = (
    Feature(
        "place",
        ("same", "timezone", "different"),
        "multiIf(low.timezone = '' OR high.timezone = '', 'unknown', low.timezone != high.timezone, 'different', "
        "lower(low.locale) = lower(high.locale), 'same', 'timezone')",
    ),
    # No versions, which change with the next update.
    Feature(
        "agent",
        ("model", "system", "different"),
        "multiIf(low.system = '' OR high.system = '', 'unknown', low.system != high.system, 'different', "
        "low.model = '' OR low.model != high.model, 'system', 'model')",
    ),
    Feature(
        "rhythm",
        ("alike", "similar", "different"),
        f"multiIf(least(low.active_hours, high.active_hours) < {LEAST_ACTIVE_HOURS}, 'unknown', "
        "arrayDotProduct(low.week, high.week) >= 0.4, 'alike', arrayDotProduct(low.week, high.week) >= 0.2, 'similar', 'different')",
    ),
)
FEATURES = (NETWORKS, *OWN_FEATURES)


def beginning() -> dict[str, float]:
    """How probable each level of the networks makes it that a pair belongs together, before anything was learnt.

    As if each device shared its networks with four of its own: where learning begins, and not where it ends.
    """
    chances = [1 - math.exp(-4 / (size - 1)) for size in (*_SIZES, _LARGER)]
    return {
        level: chance for chain in CHAINS for level, chance in zip(chain, chances, strict=True)
    }  # fmt: skip


def filled(statement: str) -> str:
    """Put the levels' SQL into a statement of `clickhouse/jobs`, where `${networks}` and `${own}` stand."""
    own = ", ".join(feature.sql for feature in OWN_FEATURES)
    return Template(statement).substitute(networks=NETWORKS.sql, own=own)
