"""What servers tell: calls to the call centre, and the way of an order.

Enters: people and their orders. Leaves: happenings without an installation. Guaranteed: they name somebody, or nobody could
tell anything of them; a server's clock is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from .happening import Happening
from .parameters import Behaviour
from .people import Household, Person
from .visits import HOUR_MS

_ORDER_STEPS = ("order_confirmed", "order_shipped", "order_delivered")


def call(
    rng: Random, behaviour: Behaviour, person: Person, home: Household, at_ms: int, visit: int
) -> Iterator[Happening]:
    """One call: an account, or the number it came from, which may be a partner's."""
    others = home.others(person)
    if person.account and at_ms >= person.account_from_ms and rng.random() < behaviour.call_by_user:
        identifiers = {"user": person.account}
    else:
        lends = others and rng.random() < behaviour.call_by_partner
        identifiers = {"phone": rng.choice(others).phone if lends else person.phone}
    for name in ("call_answered", "call_ended"):
        yield Happening(at_ms, person, None, "", visit, "track", name, identifiers, channel="call_center")
        at_ms += 60_000 + int(rng.expovariate(1 / 180_000))


def follow_ups(
    rng: Random, behaviour: Behaviour, happened: Iterable[Happening], first_visit: int
) -> Iterator[Happening]:
    """What a server says of orders placed by people who were signed in; each order is a delivery of its own."""
    visit = first_visit
    for order in happened:
        user = order.identifiers.get("user", "")
        if (
            order.name != "order_placed"
            or user in ("", "null", "guest")
            or rng.random() >= behaviour.order_updates
        ):
            continue
        visit += 1
        at_ms = order.at_ms
        for name in _ORDER_STEPS:
            at_ms += int(rng.expovariate(1 / (8 * HOUR_MS)))
            yield Happening(
                at_ms, order.person, None, "", visit, "track", name, {"user": user}, channel="api"
            )
