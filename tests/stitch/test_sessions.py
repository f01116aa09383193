"""Whose a session on a shared device is."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.stitch.sessions import BEGINNING, NOBODY, Claim, ClaimKind, Owner, owners

A, B, EMAIL = 1, 2, 30


def at(minute: int) -> str:
    return f"2026-11-22 10:{minute:02}:00.000"


def claim(kind: ClaimKind, node: int, minute: int) -> Claim:
    return Claim(10, 99, kind, node, at(minute))


def owner_at(found: list[Owner], moment: str) -> int:
    return [one.node for one in found if one.start <= moment][-1]


def test_a_login_owns_its_session_from_the_beginning() -> None:
    assert owners([claim(ClaimKind.LOGIN, A, 5)]) == [Owner(BEGINNING, A)]


def test_the_next_login_takes_over() -> None:
    found = owners([claim(ClaimKind.LOGIN, B, 7), claim(ClaimKind.SIGNED_IN, A, 5)])
    assert found == [Owner(BEGINNING, A), Owner(at(7), B)]


def test_after_a_logout_the_session_is_nobodys() -> None:
    found = owners([claim(ClaimKind.LOGIN, A, 5), claim(ClaimKind.LOGOUT, 0, 8)])
    assert found == [Owner(BEGINNING, A), Owner("2026-11-22 10:08:00.001", NOBODY)]


def test_what_comes_after_a_logout_belongs_to_the_next_login_from_its_beginning() -> None:
    found = owners(
        [claim(ClaimKind.LOGIN, A, 5), claim(ClaimKind.LOGOUT, 0, 8), claim(ClaimKind.LOGIN, B, 20)]
    )
    assert found == [Owner(BEGINNING, A), Owner("2026-11-22 10:08:00.001", B)]


def test_a_typed_contact_owns_only_where_nobody_signed_in() -> None:
    typed = claim(ClaimKind.CONTACT, EMAIL, 2)
    assert owners([typed]) == [Owner(BEGINNING, EMAIL)]
    assert owners([typed, claim(ClaimKind.LOGIN, A, 5)]) == [Owner(BEGINNING, A)]


def test_who_logs_in_again_owns_again() -> None:
    found = owners([claim(ClaimKind.LOGIN, node, minute) for node, minute in ((A, 1), (B, 2), (A, 3))])
    assert found == [Owner(BEGINNING, A), Owner(at(2), B), Owner(at(3), A)]


def test_a_session_without_claims_is_nobodys() -> None:
    assert owners([]) == [Owner(BEGINNING, NOBODY)]


claims = st.lists(
    st.builds(claim, st.sampled_from(ClaimKind), st.sampled_from([A, B, EMAIL]), st.integers(0, 12)),
    max_size=12,
)


@given(claims, st.randoms(use_true_random=False))
def test_any_order_batching_and_repetition_give_the_same_owners(
    told: list[Claim], luck: random.Random
) -> None:
    again = told + luck.choices(told, k=3) if told else []
    luck.shuffle(again)
    # A batch keeps only the earliest of what repeats.
    later = [one._replace(at=at(40)) for one in told if one.kind in (ClaimKind.SIGNED_IN, ClaimKind.CONTACT)]
    assert owners(again + later) == owners(told)


@given(claims)
def test_the_stretches_cover_all_time_in_order(told: list[Claim]) -> None:
    found = owners(told)
    assert found[0].start == BEGINNING
    assert [one.start for one in found] == sorted({one.start for one in found})


@given(claims)
def test_at_the_moment_of_a_login_the_session_is_that_users(told: list[Claim]) -> None:
    found = owners(told)
    for one in told:
        if one.kind is ClaimKind.LOGIN:
            rivals = {
                c.node for c in told if c.at == one.at and c.kind in (ClaimKind.LOGIN, ClaimKind.SIGNED_IN)
            }
            assert owner_at(found, one.at) in rivals
