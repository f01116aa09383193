"""The metrics against counting by hand, pair by pair and event by event."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.evaluate.metrics import (
    NOBODY,
    Names,
    Quality,
    b_cubed,
    owners_of,
    pairwise,
    score,
    users_sharing,
)
from tests.evaluate.worlds import Told, write

Answer = list[tuple[int, int]]
answers = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=14)


def together(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] == other[0] != NOBODY


def f05(precision: float, recall: float) -> float:
    below = 0.25 * precision + recall
    return 1.25 * precision * recall / below if below else 0.0


def same(quality: Quality, precision: float, recall: float) -> None:
    assert quality.precision == pytest.approx(precision)
    assert quality.recall == pytest.approx(recall)
    assert quality.f05 == pytest.approx(f05(precision, recall))


@given(answers)
def test_pairwise_is_what_counting_all_pairs_gives(answer: Answer) -> None:
    pairs = list(combinations(answer, 2))
    given_ = sum(together(*pair) for pair in pairs)
    wanted = sum(one[1] == other[1] for one, other in pairs)
    right = sum(together(one, other) and one[1] == other[1] for one, other in pairs)
    same(pairwise(answer), right / given_ if given_ else 1, right / wanted if wanted else 1)


@given(answers.filter(bool))
def test_b_cubed_is_the_mean_of_what_each_event_sees(answer: Answer) -> None:
    precisions, recalls = [], []
    for place, event in enumerate(answer):
        cluster = [other for n, other in enumerate(answer) if n == place or together(event, other)]
        same_person = [other for other in answer if other[1] == event[1]]
        right = sum(other[1] == event[1] for other in cluster)
        precisions.append(right / len(cluster))
        recalls.append(right / len(same_person))
    same(b_cubed(answer), sum(precisions) / len(answer), sum(recalls) / len(answer))


@given(answers)
def test_the_names_of_labels_do_not_matter(answer: Answer) -> None:
    renamed = [(label and 1000 - label, person + 7) for label, person in answer]
    assert pairwise(renamed) == pairwise(answer)
    same(b_cubed(renamed), b_cubed(answer).precision, b_cubed(answer).recall)


@given(answers)
def test_the_truth_itself_is_perfect(answer: Answer) -> None:
    perfect = [(person + 1, person) for _, person in answer]
    assert pairwise(perfect) == Quality(1, 1, 1)


def names(users: list[int], contacts: list[int] | None = None) -> Names:
    said = Names(len(users))
    said.users[:] = type(said.users)("I", users)
    said.contacts[:] = bytes(contacts or [0] * len(users))
    return said


def test_a_person_stands_for_whoever_signed_in_most_however_many_contacts_others_typed() -> None:
    said = names(users=[5, 0, 0, 0], contacts=[0, 1, 1, 0])
    assert owners_of([1, 2, 2, 2], said, [9, 9, 9, 9]) == {9: 1}


def test_without_a_user_contacts_decide_and_without_both_it_stands_for_nobody() -> None:
    said = names(users=[0, 0, 0, 0], contacts=[1, 1, 0, 1])
    assert owners_of([2, 1, 1, 3], said, [7, 7, 8, NOBODY]) == {7: 1}


def test_two_users_in_one_person_are_seen_and_in_nobody_are_not() -> None:
    assert users_sharing(names([1, 2, 3, 3, 4, 5]), [6, 6, 7, 7, NOBODY, NOBODY]) == 1


def test_events_are_right_wrong_or_nobodys_by_stratum(tmp_path: Path) -> None:
    key = write(
        tmp_path,
        [
            Told(1), Told(1), Told(2), Told(2, stratum="kiosk"), Told(None, stratum="kiosk", solvable=False),
            Told(2, stratum="kiosk"),
        ],
    )  # fmt: skip
    said = names([11, 0, 22, 0, 0, 0])
    scores = score(key, said, [1, 1, 2, 1, 1, NOBODY])
    assert (scores.strata["own_device"].events, scores.strata["own_device"].right) == (3, 1)
    kiosk = scores.strata["kiosk"]
    assert (kiosk.events, kiosk.right, kiosk.wrong, kiosk.nobody) == pytest.approx((3, 0, 2 / 3, 1 / 3))
    assert scores.persons == 2
    assert scores.over_merged == 0.5
    assert scores.users_sharing_a_person == 0


def test_events_that_nobody_could_tell_count_in_no_pair(tmp_path: Path) -> None:
    key = write(tmp_path, [Told(1), Told(1), Told(2, solvable=False)])
    assert score(key, names([1, 0, 0]), [5, 5, 5]).pairwise == Quality(1, 1, 1)
