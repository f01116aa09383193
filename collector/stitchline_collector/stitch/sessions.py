"""Whose a session on a shared device is.

A shared device is a place, so what is done on it unsigned belongs to whoever owns the session: who signs in in it, or failing
that, who gives an e-mail, a phone number or a card. Enters: the claims of a session. Leaves: its owners, from when on.
Guaranteed: a pure function of the set of claims.

A logout ends a session, whatever its id says. What remains is owned by its first login, its beginning too, until the next
login.
"""

from __future__ import annotations

import datetime as dt
import enum
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

BEGINNING = "1900-01-01 00:00:00.000"  # before any time that ClickHouse can hold
NOBODY = 0
_MILLISECOND = dt.timedelta(milliseconds=1)


class ClaimKind(enum.IntEnum):
    """What says who uses a device; the numbers are those of `identity_claims.kind`."""

    LOGOUT = 0
    LOGIN = 1  # an `identify`: each counts
    SIGNED_IN = 2  # any other event with a user: the earliest counts
    CONTACT = 3  # the earliest counts


_EACH_COUNTS = frozenset({ClaimKind.LOGOUT, ClaimKind.LOGIN})


class Claim(NamedTuple):
    """Somebody on a device at a time: an identifier's node, or nobody's at a logout."""

    device_node: int
    session_node: int
    kind: ClaimKind
    node: int
    at: str


class Owner(NamedTuple):
    """A stretch of a session: from when on, until the next one; node 0 is nobody."""

    start: str
    node: int


def owners(claims: Iterable[Claim]) -> list[Owner]:
    """Decide whose one session is.

    Args:
        claims: all of the session, in any order.

    Returns:
        Its stretches in order, the first from `BEGINNING` on.
    """
    claims = sorted(_effective(claims), key=lambda claim: (claim.at, claim.node))
    logouts = sorted({claim.at for claim in claims if claim.kind is ClaimKind.LOGOUT})
    stretches: defaultdict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.kind is not ClaimKind.LOGOUT:
            stretches[bisect_left(logouts, claim.at)].append(
                claim
            )  # at the moment of the logout is before it
    found: list[Owner] = []
    for number, start in enumerate([BEGINNING, *(_after(moment) for moment in logouts)]):
        found += _owners_of_stretch(start, stretches[number])
    return [one for place, one in enumerate(found) if not place or one.node != found[place - 1].node]


def _effective(claims: Iterable[Claim]) -> set[Claim]:
    """Drop all but the earliest of claims that repeat: how many there are depends on how events were batched."""
    earliest: dict[Claim, str] = {}
    for claim in claims:
        key = claim if claim.kind in _EACH_COUNTS else claim._replace(at="")
        earliest[key] = min(claim.at, earliest.get(key, claim.at))
    return {key._replace(at=at) for key, at in earliest.items()}


def _owners_of_stretch(start: str, claims: list[Claim]) -> list[Owner]:
    logins = [claim for claim in claims if claim.kind is not ClaimKind.CONTACT]
    decisive = logins or claims
    if not decisive:
        return [Owner(start, NOBODY)]
    first, *rest = decisive
    by_time = {start: first.node}
    for claim in rest:
        by_time.setdefault(claim.at, claim.node)  # of two at once the smaller node, as they are sorted
    return [Owner(at, node) for at, node in sorted(by_time.items())]


def _after(moment: str) -> str:
    """The next millisecond of a time as text."""
    return (dt.datetime.fromisoformat(moment) + _MILLISECOND).isoformat(" ", "milliseconds")
