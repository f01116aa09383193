"""How good the probabilities are, where the truth is known.

Enters: pairs with their probability, and whose each device is. Leaves: precision and recall by threshold, for pairs of one person and pairs
of one household, and how often what was given a probability is true. Guaranteed: recall is of all true pairs among the
devices that were compared, those that never met in a network included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from .town import Owners

THRESHOLDS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


class Scored(NamedTuple):
    """A pair of devices, by name, how probable it is that they belong together, and whether the evidence says so already."""

    low: str
    high: str
    probability: float
    is_one_person: bool


class _Judged(NamedTuple):
    """A pair: what was said of it, and what is true."""

    said: float
    person: bool
    household: bool
    joined: bool


class AtThreshold(msgspec.Struct, frozen=True):
    """What is found among pairs from a probability upwards; `joined`: of these, by the evidence, without any probability."""

    threshold: float
    pairs: int
    joined: int
    person_precision: float
    person_recall: float
    household_precision: float
    household_recall: float


class Bin(msgspec.Struct, frozen=True):
    """Pairs of about one probability: what was said, and what is true."""

    lowest: float
    pairs: int
    said: float
    household: float
    person: float


class Calibration(msgspec.Struct, frozen=True):
    """The whole answer.

    Attributes:
        devices: compared.
        person_pairs: pairs of one person among them.
        household_pairs: pairs of one household, those of one person included.
        met_person_pairs: of these, the ones that met in a network which is not everybody's.
        met_household_pairs: likewise.
    """

    devices: int
    person_pairs: int
    household_pairs: int
    met_person_pairs: int
    met_household_pairs: int
    thresholds: list[AtThreshold]
    bins: list[Bin]


def calibrate(scored: Sequence[Scored], devices: Iterable[str], owners: Mapping[str, Owners]) -> Calibration:
    """Compare with the truth.

    Args:
        scored: all pairs that were scored.
        devices: all that were compared.
        owners: whose each device is.
    """
    known = [owners[device] for device in devices]
    person_pairs = _pairs(owner.person for owner in known)
    household_pairs = _pairs(owner.home for owner in known)
    judged = [
        _Judged(pair.probability, *_truth(owners[pair.low], owners[pair.high]), pair.is_one_person)
        for pair in scored
    ]
    return Calibration(
        devices=len(known),
        person_pairs=person_pairs,
        household_pairs=household_pairs,
        met_person_pairs=sum(one.person for one in judged),
        met_household_pairs=sum(one.household for one in judged),
        thresholds=[_at(threshold, judged, person_pairs, household_pairs) for threshold in THRESHOLDS],
        bins=list(_bins(judged)),
    )


def _truth(low: Owners, high: Owners) -> tuple[bool, bool]:
    """Whether two devices are one person's, and one household's."""
    return (
        low.person is not None and low.person == high.person,
        low.home is not None and low.home == high.home,
    )


def _pairs(owners: Iterable[int | None]) -> int:
    counts = Counter(owner for owner in owners if owner is not None)
    return sum(count * (count - 1) // 2 for count in counts.values())


def _at(threshold: float, judged: Sequence[_Judged], person_pairs: int, household_pairs: int) -> AtThreshold:
    above = [one for one in judged if one.said >= threshold]
    persons, homes = sum(one.person for one in above), sum(one.household for one in above)
    return AtThreshold(
        threshold,
        len(above),
        sum(one.joined for one in above),
        _share(persons, len(above)),
        _share(persons, person_pairs),
        _share(homes, len(above)),
        _share(homes, household_pairs),
    )


def _bins(judged: Sequence[_Judged]) -> Iterable[Bin]:
    limits = (0.0, *THRESHOLDS, 1.1)
    for lowest, end in pairwise(limits):
        inside = [one for one in judged if lowest <= one.said < end]
        if inside:
            said, person, home, _ = (sum(column) / len(inside) for column in zip(*inside, strict=True))
            yield Bin(lowest, len(inside), said, home, person)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
