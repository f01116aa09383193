"""One neighbourhood: a few hundred people, their machines and the places they share, through all the time.

Enters: its number and a seed. Leaves: deliveries, each with the verdicts on what arrives in it first. Guaranteed: a function of
(seed, number, size, behaviour) alone, so that neighbourhoods can be made one by one, in any process.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .delivery import Delivery, deliver
from .happening import Happening, Installation
from .judge import Verdict, judge
from .machine_log import MachineLog
from .parameters import Behaviour
from .people import Household, Machine, Person, household, public_computer, terminal
from .servers import call, follow_ups
from .visits import Visit, at_places, at_quiet_kiosk, browsing, calls

PEOPLE = 1000


class Judged(NamedTuple):
    """A delivery and the truth about its happenings, where they arrive for the first time."""

    delivery: Delivery
    verdicts: list[Verdict]


def simulate(seed: int, number: int, people: int, behaviour: Behaviour, epoch_ms: int) -> Iterator[Judged]:
    """Simulate one neighbourhood.

    Args:
        seed: of the whole world.
        number: of this neighbourhood, from 0.
        people: who live in it, at most `PEOPLE`.
        behaviour: the numbers.
        epoch_ms: the beginning, since 1970.

    Returns:
        Deliveries in no order.
    """
    rng = Random(f"stitchline {seed} {number}")  # noqa: S311 -- chance, not a secret; a text is hashed the same everywhere
    homes = list(_homes(rng, behaviour, number * PEOPLE, people))
    happened = _happenings(rng, behaviour, homes, epoch_ms)
    verdicts = dict(zip(happened, judge(happened), strict=True))
    for delivery in deliver(rng, behaviour, happened, epoch_ms):
        yield Judged(delivery, [verdicts[happening] for happening in delivery.first])


def _homes(rng: Random, behaviour: Behaviour, first: int, people: int) -> Iterator[Household]:
    left = people
    while left:
        home = household(rng, behaviour, first + people - left, left)
        left -= len(home.people)
        yield home


def _happenings(rng: Random, behaviour: Behaviour, homes: list[Household], epoch_ms: int) -> list[Happening]:
    visits = sorted(_visits(rng, behaviour, homes), key=lambda visit: visit.at_ms)
    logs: dict[Machine, MachineLog] = {}
    last_installation: dict[Person, Installation] = {}
    happened: list[Happening] = []
    for number, visit in enumerate(visits):
        log = logs.get(visit.machine)
        if log is None:
            log = logs[visit.machine] = MachineLog(rng, behaviour, visit.machine, epoch_ms, last_installation)
        happened += log.play(visit, number)
    number = len(visits)
    for at_ms, person, home in calls(rng, behaviour, homes):
        number += 1
        happened += call(rng, behaviour, person, home, at_ms, number)
    happened += follow_ups(rng, behaviour, tuple(happened), number)
    return happened


def _visits(rng: Random, behaviour: Behaviour, homes: list[Household]) -> Iterator[Visit]:
    people = sum(len(home.people) for home in homes)
    public = [
        public_computer(rng, behaviour) for _ in range(max(1, people // behaviour.people_per_public_computer))
    ]
    places = {
        kind: [terminal(rng, behaviour, kind) for _ in range(max(1, people // people_per_one))]
        for kind, people_per_one in (
            ("kiosk", behaviour.people_per_kiosk),
            ("pos", behaviour.people_per_till),
            ("atm", behaviour.people_per_atm),
        )
    }
    quiet = terminal(rng, behaviour, "kiosk")
    quiet.is_quiet = True
    for home in homes:
        yield from browsing(rng, behaviour, home, public)
    yield from at_places(rng, behaviour, homes, places)
    yield from at_quiet_kiosk(rng, behaviour, homes, quiet)
