"""The rule itself, on evidence made up here."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.stitch.evidence import Key, Kind
from stitchline_collector.stitch.resolve import SHARED_DEVICE, TWO_USERS, Edge, resolve

# Nodes by tens: users, devices, anonymous ids, e-mails.
NAMESPACES = {n: ("user", "device", "anonymous", "email")[n // 10] for n in range(40)}
A, B, P, L, EMAIL, OTHER_EMAIL = 0, 1, 10, 11, 30, 31


def edge(kind: Kind, minute: int, one: int, other: int) -> Edge:
    return Edge(kind, f"2026-11-22 10:{minute:02}:00.000", min(one, other), max(one, other))


@st.composite
def edges(draw: st.DrawFn) -> list[Edge]:
    nodes = st.sampled_from([*range(3), *range(10, 14), *range(20, 22), *range(30, 34)])
    pairs = st.tuples(nodes, nodes).filter(lambda pair: pair[0] != pair[1])
    drawn = draw(st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 9), pairs), max_size=25))
    return [edge(kind, minute, *pair) for kind, minute, pair in drawn]


@given(edges(), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_answer(evidence: list[Edge], luck: random.Random) -> None:
    again = evidence + luck.choices(evidence, k=5) if evidence else []
    luck.shuffle(again)
    assert resolve(again, NAMESPACES) == resolve(evidence, NAMESPACES)


@given(edges())
def test_two_users_are_never_one_person(evidence: list[Edge]) -> None:
    persons = resolve(evidence, NAMESPACES).persons
    users = [node for node in persons if NAMESPACES[node] == "user"]
    assert len({persons[user] for user in users}) == len(users)
    assert all(persons[user] == user for user in users)


@given(edges())
def test_a_shared_device_is_alone(evidence: list[Edge]) -> None:
    answer = resolve(evidence, NAMESPACES)
    for device in answer.shared & answer.persons.keys():
        assert [node for node, person in answer.persons.items() if person == device] == [device]


@given(edges())
def test_every_edge_joins_or_is_refused_by_a_rule(evidence: list[Edge]) -> None:
    answer = resolve(evidence, NAMESPACES)
    for one in evidence:
        joined = answer.persons[one.low] == answer.persons[one.high]
        assert joined != (one.key in answer.refused)


@given(edges())
def test_components_can_be_decided_apart(evidence: list[Edge]) -> None:
    whole = resolve(evidence, NAMESPACES)
    for person in set(whole.persons.values()):
        component = _component(evidence, person)
        part = resolve(component, NAMESPACES)
        assert all(whole.persons[node] == found for node, found in part.persons.items())


def test_a_login_goes_before_a_link_however_early_the_link_was() -> None:
    evidence = [edge(Kind.LINK, 0, A, EMAIL), edge(Kind.LOGIN, 9, B, EMAIL)]
    answer = resolve(evidence, NAMESPACES)
    assert answer.persons == {A: A, B: B, EMAIL: B}
    assert answer.refused == {Key(Kind.LINK, A, EMAIL): TWO_USERS}


def test_a_device_that_is_a_place_by_its_type_joins_nobody() -> None:
    answer = resolve(
        [edge(Kind.CONTACT, 0, P, EMAIL), edge(Kind.CONTACT, 1, P, OTHER_EMAIL)], NAMESPACES, {P}
    )
    assert answer.persons == {P: P, EMAIL: EMAIL, OTHER_EMAIL: OTHER_EMAIL}
    assert set(answer.refused.values()) == {SHARED_DEVICE}


def test_without_a_user_the_contact_seen_first_names_the_person() -> None:
    evidence = [
        edge(Kind.CONTACT, 5, P, EMAIL),
        edge(Kind.CONTACT, 3, P, OTHER_EMAIL),
        edge(Kind.LINK, 9, L, P),
    ]
    assert set(resolve(evidence, NAMESPACES).persons.values()) == {OTHER_EMAIL}


def test_without_any_person_a_device_names_itself_and_its_anonymous_id() -> None:
    assert resolve([edge(Kind.LOGIN, 0, P, 20)], NAMESPACES).persons == {P: P, 20: P}


def _component(evidence: list[Edge], start: int) -> list[Edge]:
    inside = {start}
    while grown := {n for e in evidence for n in (e.low, e.high) if {e.low, e.high} & inside} - inside:
        inside |= grown
    return [e for e in evidence if e.low in inside]
