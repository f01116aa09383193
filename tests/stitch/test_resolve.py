"""The rule itself, on evidence made up here."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.stitch.evidence import Key, Kind
from stitchline_collector.stitch.resolve import UNLINKED, Edge, resolve
from stitchline_collector.stitch.rules import IdentityRules
from stitchline_collector.stitch.sessions import NOBODY

# Nodes by tens: users, devices, anonymous ids, e-mails, phones; a node 0 does not exist, it means nobody.
NAMESPACES = {n: ("user", "device", "anonymous", "email", "phone")[n // 10] for n in range(1, 50)}
A, B, C, P, L, Q, X, EMAIL, OTHER_EMAIL, PHONE = 1, 2, 3, 10, 11, 12, 20, 30, 31, 40


def at(minute: int) -> str:
    return f"2026-11-22 10:{minute:02}:00.000"


def edge(kind: Kind, minute: int, one: int, other: int, last: int | None = None) -> Edge:
    return Edge(kind, at(minute), min(one, other), max(one, other), at(minute if last is None else last))


@st.composite
def edges(draw: st.DrawFn) -> list[Edge]:
    nodes = st.sampled_from([*range(1, 4), *range(10, 14), *range(20, 22), *range(30, 34), *range(40, 42)])
    pairs = st.tuples(nodes, nodes).filter(lambda pair: pair[0] != pair[1])
    users = st.tuples(st.sampled_from([A, B, C]), st.sampled_from([A, B, C])).filter(
        lambda pair: pair[0] < pair[1]
    )
    plain = st.tuples(st.sampled_from([Kind.LOGIN, Kind.LINK, Kind.CONTACT]), st.integers(0, 9), pairs)
    merges = st.tuples(st.just(Kind.MERGE), st.integers(0, 9), users)
    drawn = draw(st.lists(plain, max_size=25)) + draw(st.lists(merges, max_size=1))
    return [edge(kind, minute, *pair) for kind, minute, pair in drawn]


def some_unlinks() -> st.SearchStrategy[dict[tuple[int, int], str]]:
    pairs = st.tuples(st.sampled_from([A, B, P, L]), st.sampled_from([Q, EMAIL, PHONE]))
    return st.dictionaries(pairs, st.integers(0, 9).map(at), max_size=2)


@given(edges(), some_unlinks(), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_answer(
    evidence: list[Edge], unlinks: dict[tuple[int, int], str], luck: random.Random
) -> None:
    again = evidence + luck.choices(evidence, k=5) if evidence else []
    luck.shuffle(again)
    assert resolve(again, NAMESPACES, unlinks=unlinks) == resolve(evidence, NAMESPACES, unlinks=unlinks)


@given(edges())
def test_two_users_are_never_one_person_unless_a_server_merged_them(evidence: list[Edge]) -> None:
    answer = resolve(evidence, NAMESPACES)
    merged = {frozenset((e.low, e.high)) for e in evidence if e.kind is Kind.MERGE}
    users = [node for node in answer.persons if NAMESPACES[node] == "user"]
    for one in users:
        for other in users:
            if one != other and answer.persons[one] == answer.persons[other]:
                assert merged, (one, other)
    assert all(NAMESPACES[answer.persons[user]] == "user" for user in users)


@given(edges())
def test_limits_hold_in_every_person(evidence: list[Edge]) -> None:
    rules = IdentityRules(limits={"email": 2, "device": 3, "phone": 1})
    persons = resolve(evidence, NAMESPACES, rules=rules).persons
    counted = Counter(
        (person, NAMESPACES[node])
        for node, person in persons.items()
        if person and NAMESPACES[node] != "user"
    )
    assert all(count <= rules.limit(namespace) for (_, namespace), count in counted.items())


@given(edges())
def test_what_is_nobodys_joins_nobody(evidence: list[Edge]) -> None:
    persons = resolve(evidence, NAMESPACES).persons
    assert all(node not in persons.values() for node, person in persons.items() if person == NOBODY)


@given(edges())
def test_every_edge_joins_or_is_refused_or_is_nobodys(evidence: list[Edge]) -> None:
    answer = resolve(evidence, NAMESPACES)
    for one in evidence:
        ends = answer.persons[one.low], answer.persons[one.high]
        if NOBODY not in ends and one.key not in answer.refused:
            assert ends[0] == ends[1]


@given(edges(), some_unlinks())
def test_components_can_be_decided_apart(evidence: list[Edge], unlinks: dict[tuple[int, int], str]) -> None:
    whole = resolve(evidence, NAMESPACES, unlinks=unlinks)
    for start in whole.persons:
        part = resolve(_component(evidence, start), NAMESPACES, unlinks=unlinks)
        assert all(whole.persons[node] == found for node, found in part.persons.items())


@given(edges())
def test_an_id_is_a_node_of_the_person(evidence: list[Edge]) -> None:
    persons = resolve(evidence, NAMESPACES).persons
    assert all(persons[person] == person for person in persons.values() if person != NOBODY)


def test_a_login_goes_before_a_link_however_early_the_link_was() -> None:
    evidence = [edge(Kind.LINK, 0, A, EMAIL), edge(Kind.LOGIN, 9, B, EMAIL)]
    answer = resolve(evidence, NAMESPACES)
    assert answer.persons == {A: A, B: B, EMAIL: B}
    assert answer.refused == {Key(Kind.LINK, A, EMAIL): "two_users"}


def test_a_device_that_is_a_place_by_its_type_joins_nobody() -> None:
    evidence = [edge(Kind.CONTACT, 0, P, EMAIL), edge(Kind.CONTACT, 1, P, OTHER_EMAIL)]
    answer = resolve(evidence, NAMESPACES, nobodys={P})
    assert answer.persons == {P: NOBODY, EMAIL: EMAIL, OTHER_EMAIL: OTHER_EMAIL}


def test_a_device_on_which_two_users_signed_in_is_a_place() -> None:
    evidence = [edge(Kind.LOGIN, 0, L, A), edge(Kind.LOGIN, 1, L, B), edge(Kind.LOGIN, 2, P, A)]
    assert resolve(evidence, NAMESPACES).persons == {A: A, P: A, B: B, L: NOBODY}


def test_a_device_on_which_four_emails_were_typed_is_a_place_and_with_three_it_is_not() -> None:
    typed = [edge(Kind.CONTACT, n, L, EMAIL + n) for n in range(4)]
    assert resolve(typed, NAMESPACES).persons[L] == NOBODY
    assert resolve(typed[:3], NAMESPACES).persons[L] != NOBODY


def test_two_users_whom_a_server_merged_do_not_make_a_device_shared() -> None:
    evidence = [edge(Kind.LOGIN, 0, L, A), edge(Kind.LOGIN, 1, L, B), edge(Kind.MERGE, 2, A, B)]
    assert resolve(evidence, NAMESPACES).persons == {A: A, B: A, L: A}


def test_a_merged_person_is_named_by_the_user_known_first() -> None:
    evidence = [edge(Kind.LOGIN, 5, P, A), edge(Kind.LOGIN, 1, Q, B), edge(Kind.MERGE, 9, A, B)]
    assert set(resolve(evidence, NAMESPACES).persons.values()) == {B}


def test_a_link_of_two_users_that_no_server_sent_joins_nobody() -> None:
    answer = resolve([edge(Kind.LINK, 0, A, B)], NAMESPACES)
    assert answer.persons == {A: A, B: B}
    assert answer.refused == {Key(Kind.LINK, A, B): "two_users"}


def test_a_contact_with_more_than_ten_neighbours_is_a_hub() -> None:
    typed = [edge(Kind.CONTACT, n, EMAIL, 100 + n) for n in range(11)]
    namespaces = NAMESPACES | {100 + n: "device" for n in range(11)}
    assert resolve(typed, namespaces).persons == {EMAIL: NOBODY} | {100 + n: 100 + n for n in range(11)}
    assert set(resolve(typed[:10], namespaces).persons.values()) == {EMAIL}


def test_a_user_is_never_a_hub() -> None:
    logins = [edge(Kind.LOGIN, 0, A, 100 + n) for n in range(40)]
    namespaces = NAMESPACES | {100 + n: "device" for n in range(40)}
    assert set(resolve(logins, namespaces).persons.values()) == {A}


def test_a_second_email_comes_only_through_the_user() -> None:
    own = [edge(Kind.LOGIN, 0, A, P), edge(Kind.LOGIN, 1, A, EMAIL)]
    typed = edge(Kind.CONTACT, 2, P, OTHER_EMAIL)
    answer = resolve([*own, typed], NAMESPACES)
    assert answer.persons[OTHER_EMAIL] == OTHER_EMAIL
    assert answer.refused == {typed.key: "second_email"}
    assert resolve([*own, edge(Kind.LOGIN, 2, A, OTHER_EMAIL)], NAMESPACES).persons[OTHER_EMAIL] == A


def test_a_link_from_a_device_brings_no_second_email_either() -> None:
    evidence = [edge(Kind.CONTACT, 0, P, EMAIL), edge(Kind.LINK, 1, P, OTHER_EMAIL)]
    # The link is better evidence than the typed address, so it goes first.
    assert resolve(evidence, NAMESPACES).refused == {Key(Kind.CONTACT, P, EMAIL): "second_email"}


def test_unlinked_evidence_joins_no_more_and_a_later_login_does() -> None:
    evidence = [edge(Kind.LOGIN, 0, A, P), edge(Kind.LOGIN, 1, A, EMAIL), edge(Kind.CONTACT, 2, P, EMAIL)]
    unlinks = {(A, P): at(5)}
    answer = resolve(evidence, NAMESPACES, unlinks=unlinks)
    assert answer.persons == {A: A, EMAIL: A, P: P}
    assert set(answer.refused.values()) == {UNLINKED}
    again = [edge(Kind.LOGIN, 0, A, P, last=30), *evidence[1:]]
    assert set(resolve(again, NAMESPACES, unlinks=unlinks).persons.values()) == {A}


def test_without_a_user_the_contact_known_first_names_the_person() -> None:
    evidence = [edge(Kind.CONTACT, 5, P, EMAIL), edge(Kind.CONTACT, 3, P, PHONE), edge(Kind.LINK, 9, L, P)]
    assert set(resolve(evidence, NAMESPACES).persons.values()) == {PHONE}


def test_without_any_person_a_device_names_itself_and_its_anonymous_id() -> None:
    assert resolve([edge(Kind.LOGIN, 0, P, X)], NAMESPACES).persons == {P: P, X: P}


def _component(evidence: list[Edge], start: int) -> list[Edge]:
    inside = {start}
    while grown := {n for e in evidence for n in (e.low, e.high) if {e.low, e.high} & inside} - inside:
        inside |= grown
    return [e for e in evidence if e.low in inside]
