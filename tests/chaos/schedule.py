"""What happens when: made from a seed, so that a run can be had again."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from tests.chaos.faults import FOR_MINUTES, OF_ALL, OF_WORKERS, WITHOUT_ANOTHER_KILL, Fault

_MINUTES_S = (60.0, 150.0)


class Step(msgspec.Struct, frozen=True):
    """One fault at work.

    Attributes:
        number: From 1.
        fault: Which.
        lasts_s: For how long, at least.
        kill: What is killed and started in the middle of it: a part of the collector, or nothing.
        seed: Decides its particulars.
    """

    number: int
    fault: type[Fault]
    lasts_s: float
    kill: str
    seed: int

    @property
    def is_long(self) -> bool:
        """Whether it lasts for minutes."""
        return self.lasts_s >= _MINUTES_S[0]

    def __str__(self) -> str:
        also = f", kill -9 of the {self.kill} meanwhile" if self.kill else ""
        return f"{self.number}: {self.fault.__name__} for {self.lasts_s:.1f} s{also}"


class Round(msgspec.Struct, frozen=True):
    """A stage, and every fault on it in a random order.

    Attributes:
        seed: Decides everything; of a collector of one process when it is even, of one with workers when it is odd.
        longest_s: How long a fault may last.
        for_minutes: Whether one of ClickHouse may last for minutes, as happens in every second round or so.
    """

    seed: int
    longest_s: float
    for_minutes: bool = False

    @property
    def workers(self) -> int:
        """How many workers the collector has."""
        return 2 if self.seed % 2 else 0

    def steps(self, parts: tuple[str, ...]) -> Iterator[Step]:
        """What happens to a collector of these parts."""
        dice = random.Random(self.seed)
        faults = (*OF_ALL, *(OF_WORKERS if self.workers else ()))
        order = [(fault, dice.uniform(0.3, self.longest_s)) for fault in dice.sample(faults, len(faults))]
        if self.for_minutes and dice.random() < 0.5:
            order.insert(dice.randrange(len(order)), (dice.choice(FOR_MINUTES), dice.uniform(*_MINUTES_S)))
        for number, (fault, lasts_s) in enumerate(order, 1):
            is_killed = dice.random() < 0.4 and not issubclass(fault, WITHOUT_ANOTHER_KILL)
            part = dice.choice(parts)
            yield Step(number, fault, lasts_s, part if is_killed else "", dice.randrange(2**32))
