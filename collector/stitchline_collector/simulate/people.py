"""Who lives in a neighbourhood, and what they own.

Enters: a random generator, numbers of people. Leaves: people with their identifiers, in households, and their machines.
Guaranteed: a person's identifiers depend on the person's number only, so that no two neighbourhoods share one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from random import Random

from .parameters import Behaviour

DAY_MS = 86_400_000
SHOPS_ADDRESSES = ("orders@shop.example", "till@shop.example", "hello@shop.example")


class Belongs(enum.Enum):
    """To whom a machine belongs."""

    OWN = "own"
    FAMILY = "family"
    PUBLIC = "public"
    PLACE = "place"  # a kiosk, till or cash machine


@dataclass(slots=True, eq=False)
class Person:
    """Somebody.

    Attributes:
        number: the true person of the truth files.
        activity: a factor, 1 on average.
        account: the user's id; empty without one.
        account_from_ms: when it is opened, since the beginning; 0 if it was there before.
        is_lent: whether the account is really somebody else's of the household.
        own: (namespace, value) of what is theirs alone; a second account is not, for nothing says whose it is.
    """

    number: int
    activity: float
    account: str = ""
    second_account: str = ""
    account_from_ms: int = 0
    is_lent: bool = False
    email: str = ""
    second_email: str = ""
    phone: str = ""
    card: str = ""
    own: set[tuple[str, str]] = field(default_factory=set)
    machines: list[Machine] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Machine:
    """A browser, an app or a terminal, through all the installations (device ids) it gets.

    Attributes:
        owner: of a machine of one's own.
        is_quiet: a kiosk at which all who come type their address.
        clears_after_ms: mean time until its cookies are cleared; 0 is after each visit, negative never.
        offset_ms: how far its clock is ahead.
    """

    belongs: Belongs
    device: dict[str, object]
    channel: str
    owner: Person | None = None
    is_app: bool = False
    is_quiet: bool = False
    clears_after_ms: int = -1
    offset_ms: int = 0
    sends_plain: bool = False
    nobody: str = ""


@dataclass(slots=True, eq=False)
class Household:
    """People who live together, and the machines they share."""

    people: list[Person]
    machines: list[Machine] = field(default_factory=list)

    def others(self, person: Person) -> list[Person]:
        """Everybody else of it."""
        return [one for one in self.people if one is not person]


_PHONES = (
    ("Android", "14", "Samsung", "Galaxy A54", 1080, 2340),
    ("Android", "13", "Xiaomi", "Redmi Note 12", 1080, 2400),
    ("Android", "15", "Google", "Pixel 8", 1080, 2400),
    ("iOS", "18.1", "Apple", "iPhone 15", 1179, 2556),
    ("iOS", "17.6", "Apple", "iPhone 13", 1170, 2532),
)
_TABLETS = (
    ("iPadOS", "17.6", "Apple", "iPad 10", 1640, 2360),
    ("Android", "13", "Samsung", "Galaxy Tab A8", 1200, 1920),
)
_COMPUTERS = (
    ("Windows", "11", "", "", 1920, 1080),
    ("Windows", "10", "", "", 1366, 768),
    ("macOS", "15.1", "Apple", "", 1440, 900),
    ("Linux", "", "", "", 1920, 1200),
)
_LOCALES = (
    ("de-DE", "Europe/Berlin"),
    ("de-AT", "Europe/Vienna"),
    ("en-GB", "Europe/London"),
    ("nl-NL", "Europe/Amsterdam"),
)


def household(rng: Random, behaviour: Behaviour, first: int, most: int) -> Household:
    """Make a household.

    Args:
        rng: chance.
        behaviour: the numbers.
        first: number of its first person.
        most: the most people it may have.
    """
    size = min(most, 1 + rng.choices(range(len(behaviour.household_of)), behaviour.household_of)[0])
    people = [_person(rng, behaviour, first + place, adult=place < 2) for place in range(size)]
    home = Household(people)
    if size > 1:
        _share(rng, behaviour, people)
    locale = rng.choices(_LOCALES, (6, 2, 1, 1))[0]
    for one in people:
        one.own = _own(one, people)
        one.machines = list(_own_machines(rng, behaviour, one, locale))
    if size > 1:
        home.machines = list(_family_machines(rng, behaviour, locale))
    return home


def _person(rng: Random, behaviour: Behaviour, number: int, *, adult: bool) -> Person:
    # exp(-sigma^2/2) makes the mean 1
    activity = rng.lognormvariate(-(behaviour.visits_sigma**2) / 2, behaviour.visits_sigma)
    one = Person(number, activity, email=f"person{number}@mail.example", phone=f"+49151{number:08d}")
    if rng.random() < (behaviour.adult_account if adult else behaviour.child_account):
        one.account = f"u{number}"
        if rng.random() < behaviour.new_account:
            one.account_from_ms = int(rng.random() * behaviour.days * DAY_MS)
        if rng.random() < behaviour.second_account:
            one.second_account = f"v{number}"
    if rng.random() < behaviour.second_email:
        one.second_email = f"p.{number}@office.example"
    if rng.random() < behaviour.card:
        one.card = f"C{number:09d}"
    return one


def _share(rng: Random, behaviour: Behaviour, people: list[Person]) -> None:
    """What people of a household have in common, and so says of nobody alone who it is."""
    first, second = people[:2]
    if rng.random() < behaviour.household_email:
        second.email = first.email
    if rng.random() < behaviour.household_phone:
        for one in people:
            one.phone = first.phone
    if first.account and not second.account and rng.random() < behaviour.lent_account:
        second.account, second.account_from_ms, second.is_lent = first.account, first.account_from_ms, True
    if rng.random() < behaviour.household_card:
        holders = [one for one in people if one.card]
        for one in holders:
            one.card = holders[0].card


def _own(one: Person, people: list[Person]) -> set[tuple[str, str]]:
    """Return what is one person's alone; an account is its owner's, also if it is lent."""
    others = [other for other in people if other is not one]
    given = {("email", one.email), ("email", one.second_email), ("phone", one.phone), ("loyalty", one.card)}
    taken = {("email", other.email) for other in others}
    taken |= {("phone", other.phone) for other in others} | {("loyalty", other.card) for other in others}
    account = "" if one.is_lent else one.account
    return {named for named in (given - taken) | {("user", account)} if named[1]}


def _own_machines(rng: Random, behaviour: Behaviour, one: Person, locale: tuple[str, str]) -> list[Machine]:
    machines = []
    if rng.random() < behaviour.phone:
        phone = rng.choices(_PHONES, (3, 2, 1, 2, 2))[0]
        offset_ms = clock_offset_ms(rng, behaviour)
        machines.append(browser(rng, behaviour, Belongs.OWN, "phone", phone, locale, one))
        if one.account and rng.random() < behaviour.app:
            app = Machine(Belongs.OWN, _device("phone", phone, locale), "app", one, is_app=True)
            app.device["app_version"] = rng.choice(("4.1.0", "4.2.0", "4.2.1"))
            machines.append(app)
        for machine in machines:
            machine.offset_ms = offset_ms  # one phone, one clock
    if rng.random() < behaviour.laptop:
        machines.append(browser(rng, behaviour, Belongs.OWN, "desktop", rng.choice(_COMPUTERS), locale, one))
    if rng.random() < behaviour.tablet:
        machines.append(browser(rng, behaviour, Belongs.OWN, "tablet", rng.choice(_TABLETS), locale, one))
    if rng.random() < behaviour.work_computer:
        machines.append(browser(rng, behaviour, Belongs.OWN, "desktop", _COMPUTERS[0], locale, one))
    return machines


def _family_machines(rng: Random, behaviour: Behaviour, locale: tuple[str, str]) -> list[Machine]:
    machines = []
    if rng.random() < behaviour.family_tablet:
        machines.append(browser(rng, behaviour, Belongs.FAMILY, "tablet", rng.choice(_TABLETS), locale))
    if rng.random() < behaviour.family_computer:
        machines.append(browser(rng, behaviour, Belongs.FAMILY, "desktop", rng.choice(_COMPUTERS), locale))
    return machines


def mistyped(rng: Random, person: Person) -> str:
    """Return the person's address with a mistake in it; now and then that is a stranger's."""
    if rng.random() < 0.1:
        return f"person{person.number + 10}@mail.example"
    return person.email.replace("mail", rng.choice(("mial", "mai", "maill")))


def public_computer(rng: Random, behaviour: Behaviour) -> Machine:
    """A computer that strangers use one after the other."""
    return browser(rng, behaviour, Belongs.PUBLIC, "desktop", _COMPUTERS[0], _LOCALES[0])


def terminal(rng: Random, behaviour: Behaviour, kind: str) -> Machine:
    """A kiosk, till or cash machine; `kind` is the device's type."""
    machine = Machine(Belongs.PLACE, {"type": kind, "os": "Linux"}, {"pos": "store"}.get(kind, kind))
    machine.offset_ms = clock_offset_ms(rng, behaviour)
    machine.nobody = _nobody(rng, behaviour)
    return machine


def browser(
    rng: Random,
    behaviour: Behaviour,
    belongs: Belongs,
    kind: str,
    model: tuple[str, str, str, str, int, int],
    locale: tuple[str, str],
    owner: Person | None = None,
) -> Machine:
    """A browser on a machine of a type."""
    machine = Machine(
        belongs, _device(kind, model, locale), "web" if kind == "desktop" else "mobile_web", owner
    )
    shares = (behaviour.clears_monthly, behaviour.clears_weekly, behaviour.clears_always)
    machine.clears_after_ms = rng.choices((-1, 30 * DAY_MS, 7 * DAY_MS, 0), (1 - sum(shares), *shares))[0]
    machine.offset_ms = clock_offset_ms(rng, behaviour)
    machine.sends_plain = rng.random() < behaviour.plain_contacts
    machine.nobody = _nobody(rng, behaviour)
    return machine


def clock_offset_ms(rng: Random, behaviour: Behaviour) -> int:
    """How far a clock is ahead; most are within a second."""
    chance, sign = rng.random(), rng.choice((-1, 1))
    if chance < behaviour.clock_hours_off:
        return sign * rng.randrange(3_600_000, 12 * 3_600_000)
    if chance < behaviour.clock_hours_off + behaviour.clock_minutes_off:
        return sign * rng.randrange(30_000, 30 * 60_000)
    return sign * rng.randrange(1_000)


def _device(
    kind: str, model: tuple[str, str, str, str, int, int], locale: tuple[str, str]
) -> dict[str, object]:
    system, version, maker, name, width, height = model
    known = {
        "type": kind, "os": system, "os_version": version, "manufacturer": maker, "model": name,
        "locale": locale[0], "timezone": locale[1], "screen_width": width, "screen_height": height,
    }  # fmt: skip
    return {field: value for field, value in known.items() if value}


def _nobody(rng: Random, behaviour: Behaviour) -> str:
    return rng.choice(("null", "guest")) if rng.random() < behaviour.says_nobody else ""
