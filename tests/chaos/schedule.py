"""What happens when: made from a seed, so that a run can be had again."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from tests.chaos.faults import ALL, WITHOUT_ITS_OWN_COLLECTOR, Fault


class Step(msgspec.Struct, frozen=True):
    """One fault at work.

    Attributes:
        number: From 1.
        fault: Which.
        lasts_s: For how long, at least.
        kill: Whether the collector is killed and started in the middle of it.
        seed: Decides its particulars.
    """

    number: int
    fault: type[Fault]
    lasts_s: float
    kill: bool
    seed: int

    def __str__(self) -> str:
        also = ", kill -9 of the collector meanwhile" if self.kill else ""
        return f"{self.number}: {self.fault.__name__} for {self.lasts_s:.1f} s{also}"


def steps(seed: int, longest_s: float) -> Iterator[Step]:
    """Every fault in a random order, then all of them again in another, without end."""
    dice = random.Random(seed)
    number = 0
    while True:
        for fault in dice.sample(ALL, len(ALL)):
            number += 1
            kill = dice.random() < 0.4
            yield Step(
                number,
                fault,
                dice.uniform(0.3, longest_s),
                kill and not issubclass(fault, WITHOUT_ITS_OWN_COLLECTOR),
                dice.randrange(2**32),
            )
