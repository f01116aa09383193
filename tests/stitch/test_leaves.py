"""What is decided without reading is what the rule says with all the evidence before it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stitchline_collector.stitch import Stitcher
from stitchline_collector.stitch.evidence import Kind
from stitchline_collector.stitch.identifiers import DEVICE
from stitchline_collector.stitch.leaves import Leaf, with_room
from stitchline_collector.stitch.resolve import Edge, resolve
from stitchline_collector.stitch.rules import IdentityRules
from tests.stitch.stories import event, load, state
from tests.stitch.test_resolve import NAMESPACES, A, B, C, edge, edges, some_unlinks

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

pytestmark = pytest.mark.shards
_NEW = 19
_RULES = IdentityRules(limits={"device": 3, "anonymous": 1, "email": 2})


@given(edges(), some_unlinks(), st.sampled_from([A, B, C]), st.integers(0, 12))
def test_a_leaf_changes_nothing_but_its_own_device(
    evidence: list[Edge], unlinks: dict[tuple[int, int], str], user: int, minute: int
) -> None:
    before = resolve(evidence, NAMESPACES, unlinks=unlinks, rules=_RULES)
    assume(before.persons.get(user, user) == user)
    others = Counter(person for node, person in before.persons.items() if node != person)
    login = edge(Kind.LOGIN, minute, user, _NEW)
    assume(with_room([Leaf(_NEW, user, login.key)], others, _RULES.limit(DEVICE)))

    after = resolve([*evidence, login], NAMESPACES, unlinks=unlinks, rules=_RULES)

    assert after.persons == {**before.persons, user: user, _NEW: user}
    assert after.refused == before.refused


def test_only_so_many_leaves_are_taken_as_there_is_room_for() -> None:
    leaves = [Leaf(device, A, edge(Kind.LOGIN, 1, A, device).key) for device in (10, 11)]
    assert with_room(leaves, Counter({A: 1}), 3) == leaves
    assert with_room(leaves, Counter({A: 2}), 3) == []


def test_a_leaf_of_a_user_who_is_decided_anew_in_the_same_round_is_decided_with_them(engine: Engine) -> None:
    """B was first known later than A; a merge that comes with B's new device makes all of it A's."""
    stitcher = Stitcher(engine)
    load(engine, [event(1, "P", user="A"), event(2, "Q", user="B")])
    stitcher.round()
    load(
        engine,
        [
            event(3, "R", user="B"),
            event(4, "S", user="A"),
            event(5, "", type="link", by_server=True, user="A", linked={"user": "B"}),
        ],
    )
    stitcher.round()
    in_rounds = state(engine)
    stitcher.rebuild()
    stitcher.close()

    assert state(engine) == in_rounds
