"""From which network a simulated person does something.

Enters: a machine, its people, a time. Leaves: a truncated address. Guaranteed: the same order of questions gives the same answers.

The simulated world has no networks of its own. Here every household has one, which many providers renew now and then; half of
the people go to work; phones are on the way. The numbers are guesses at a European town, made before anything was
measured with them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from ..simulate.people import DAY_MS, Belongs, Machine, Person


@dataclass(frozen=True, slots=True)
class Shares:
    """How a town is connected; a number between 0 and 1 is a share or a probability.

    Attributes:
        ipv6: households whose devices are seen with an IPv6 network of their own; the others share a /24 with neighbours.
        homes_of_a_network: households of the town, those with IPv6 too, for each of its /24s.
        renews: households whose network changes.
        renewed_after_days: mean time until it does.
        works: people with a place of work.
        people_of_a_work_place: on average.
        people_of_a_cafe: people around for one cafe or library.
        at_work: things done on own phones in working hours that come from the work place, by those who have one.
        on_the_way: of the rest on phones, what comes from the carrier.
        in_a_cafe: of the rest on phones and laptops.
        networks_of_a_carrier: of three.
        one_place: every device says the same time zone and locale, as in one country.
    """

    ipv6: float = 0.4
    homes_of_a_network: int = 8
    renews: float = 0.5
    renewed_after_days: float = 30.0
    works: float = 0.5
    people_of_a_work_place: int = 20
    people_of_a_cafe: int = 100
    at_work: float = 0.6
    on_the_way: float = 0.35
    in_a_cafe: float = 0.05
    networks_of_a_carrier: int = 4
    one_place: bool = False


class Networks:
    """The networks of a town.

    Args:
        rng: chance.
        homes: household by person's number.
        days: length of the simulated time.
        shares: the numbers.
    """

    def __init__(self, rng: Random, homes: dict[int, int], days: int, shares: Shares) -> None:
        self._rng = rng
        self._shares = shares
        self._homes = homes
        self._blocks = max(1, len(set(homes.values())) // shares.homes_of_a_network)
        self._prefixes = 0
        self._home_networks = {home: self._through_time(days) for home in sorted(set(homes.values()))}
        work_places = max(1, int(len(homes) * shares.works) // shares.people_of_a_work_place)
        self._work = {
            person: f"10.2.{rng.randrange(work_places)}.0"
            for person in sorted(homes)
            if rng.random() < shares.works
        }
        self._carriers = {person: rng.randrange(3) for person in sorted(homes)}
        self._cafes = max(1, len(homes) // shares.people_of_a_cafe)
        self._public: dict[int, str] = {}

    def of(self, person: Person | None, machine: Machine, at_ms: int) -> str:
        """The network something comes from.

        Args:
            person: who does it.
            machine: on what.
            at_ms: since the beginning, a Monday.
        """
        if machine.belongs in (Belongs.PUBLIC, Belongs.PLACE) or person is None:
            return self._public.setdefault(id(machine), f"10.4.{len(self._public) % 256}.0")
        owner = machine.owner or person
        is_phone, rng, shares = machine.device["type"] == "phone", self._rng, self._shares
        work = self._work.get(owner.number)
        if work and _is_for_work(machine):
            return work
        if is_phone and work and _is_working_time(at_ms) and rng.random() < shares.at_work:
            return work
        if is_phone and rng.random() < shares.on_the_way:
            return f"10.{100 + self._carriers[owner.number]}.{rng.randrange(shares.networks_of_a_carrier)}.0"
        if machine.belongs is Belongs.OWN and rng.random() < shares.in_a_cafe:
            return f"10.3.{rng.randrange(self._cafes)}.0"
        times, networks = self._home_networks[self._homes[owner.number]]
        return networks[bisect_right(times, at_ms) - 1]

    def _through_time(self, days: int) -> tuple[list[int], list[str]]:
        shares, rng = self._shares, self._rng
        has_ipv6, renews = rng.random() < shares.ipv6, rng.random() < shares.renews
        times, networks, now_ms = [-(10**15)], [self._network(has_ipv6=has_ipv6)], 0
        while renews:
            now_ms += int(rng.expovariate(1 / (shares.renewed_after_days * DAY_MS)))
            if now_ms > days * DAY_MS:
                break
            times.append(now_ms)
            networks.append(self._network(has_ipv6=has_ipv6))
        return times, networks

    def _network(self, *, has_ipv6: bool) -> str:
        if has_ipv6:
            self._prefixes += 1
            return f"2001:db8:{self._prefixes:x}::"
        block = self._rng.randrange(self._blocks)
        return f"10.{10 + block // 256}.{block % 256}.0"


def _is_for_work(machine: Machine) -> bool:
    """A second computer of one's own is the one at work."""
    owner = machine.owner
    desktops = [one for one in owner.machines if one.device["type"] == "desktop"] if owner else []
    return len(desktops) > 1 and machine is desktops[-1]


def _is_working_time(at_ms: int) -> bool:
    day, hour = at_ms // DAY_MS % 7, at_ms % DAY_MS // 3_600_000
    return day < 5 and 8 <= hour < 17
