"""Who goes where, and when.

Enters: the households of a neighbourhood and its machines. Leaves: visits: a person at a machine at a time, and calls.
Guaranteed: nothing has happened yet; what is done in a visit depends on the machine's state, and so on the visits before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from .parameters import Behaviour
from .people import DAY_MS, Belongs, Household, Machine, Person

HOUR_MS = 3_600_000
_COMPUTERS_BY_TURNS = 3
# How busy each hour of the day is, from midnight on.
_HOURS = (1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 9, 9, 10, 9, 8, 8, 9, 11, 13, 15, 16, 13, 8, 3)
_OPENING_HOURS = (0,) * 9 + (6, 8, 9, 10, 9, 8, 9, 11, 12, 9, 4) + (0,) * 4


@dataclass(slots=True)
class Visit:
    """Somebody at a machine.

    Attributes:
        at_ms: when it begins, by the true clock, since the beginning.
        person: None for a passer-by who is nowhere else in the data.
        is_private: in a private window.
        home: whose partners may lend an address, forward a link or pass a phone; empty for strangers.
    """

    at_ms: int
    person: Person | None
    machine: Machine
    is_private: bool = False
    home: Household = field(default_factory=lambda: Household([]))


def browsing(rng: Random, behaviour: Behaviour, home: Household, public: list[Machine]) -> Iterator[Visit]:
    """All visits of a household to browsers and apps, the public computers among them."""
    for person in home.people:
        taken = min(_COMPUTERS_BY_TURNS, len(public)) if rng.random() < behaviour.public_user else 0
        machines = [*person.machines, *home.machines, *rng.sample(public, taken)]
        weights = [_weight(machine, behaviour) for machine in machines]
        lent = [machine for other in home.others(person) for machine in other.machines if not machine.is_app]
        count = min(behaviour.most_visits, poisson(rng, behaviour.visits * person.activity))
        for at_ms in _times(rng, behaviour, count, _HOURS):
            if lent and rng.random() < behaviour.borrowed:
                yield Visit(at_ms, person, rng.choice(lent), home=home)
            elif machines:
                machine = rng.choices(machines, weights)[0]
                is_private = (
                    machine.belongs is Belongs.OWN and not machine.is_app and rng.random() < behaviour.private
                )
                yield Visit(at_ms, person, machine, is_private, home)


def at_places(
    rng: Random, behaviour: Behaviour, homes: list[Household], places: dict[str, list[Machine]]
) -> Iterator[Visit]:
    """All visits to kiosks, tills and cash machines."""
    means = {"kiosk": behaviour.kiosk_visits, "pos": behaviour.till_visits, "atm": behaviour.atm_visits}
    for home in homes:
        for person in home.people:
            for kind, mean in means.items():
                if kind == "atm" and not person.account:
                    continue
                count = min(20, poisson(rng, mean * min(3.0, person.activity)))
                for at_ms in _times(rng, behaviour, count, _OPENING_HOURS):
                    yield Visit(at_ms, person, rng.choice(places[kind]), home=home)
    people = sum(len(home.people) for home in homes)
    for kind in ("kiosk", "pos"):
        count = poisson(rng, behaviour.passers_by * means[kind] * people)
        for at_ms in _times(rng, behaviour, count, _OPENING_HOURS):
            yield Visit(at_ms, None, rng.choice(places[kind]))


def at_quiet_kiosk(
    rng: Random, behaviour: Behaviour, homes: list[Household], kiosk: Machine
) -> Iterator[Visit]:
    """A few people, each once, on a kiosk that hardly anybody uses."""
    everybody = [(person, home) for home in homes for person in home.people]
    chosen = rng.sample(everybody, min(len(everybody), behaviour.quiet_kiosk_emails))
    for (person, home), at_ms in zip(
        chosen, _times(rng, behaviour, len(chosen), _OPENING_HOURS), strict=True
    ):
        yield Visit(at_ms, person, kiosk, home=home)


def calls(
    rng: Random, behaviour: Behaviour, homes: list[Household]
) -> Iterator[tuple[int, Person, Household]]:
    """Who calls the call centre, and when."""
    for home in homes:
        for person in home.people:
            count = min(20, poisson(rng, behaviour.calls * min(3.0, person.activity)))
            for at_ms in _times(rng, behaviour, count, _OPENING_HOURS):
                yield at_ms, person, home


def poisson(rng: Random, mean: float) -> int:
    """A Poisson number (Knuth's method below 30, a rounded normal above)."""
    if mean > 30:
        return max(0, round(rng.normalvariate(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _weight(machine: Machine, behaviour: Behaviour) -> float:
    if machine.belongs is Belongs.OWN:
        return behaviour.use_own
    if machine.belongs is Belongs.FAMILY:
        return behaviour.use_family
    return behaviour.use_public / _COMPUTERS_BY_TURNS


def _times(rng: Random, behaviour: Behaviour, count: int, hours: tuple[int, ...]) -> list[int]:
    """Moments in a stretch of days that is this person's, at hours when people are awake."""
    ends = sorted((rng.random() * behaviour.days, rng.random() * behaviour.days))
    first, last = (0.0, float(behaviour.days)) if rng.random() < 0.5 else ends
    return sorted(
        int(rng.uniform(first, last)) * DAY_MS
        + rng.choices(range(24), hours)[0] * HOUR_MS
        + rng.randrange(HOUR_MS)
        for _ in range(count)
    )
