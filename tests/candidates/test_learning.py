"""What the learning promises, on pairs made to a known model."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stitchline_collector.candidates.features import CHAINS, FEATURES, NETWORKS, OWN_FEATURES, beginning
from stitchline_collector.candidates.learning import Frame, Pattern, learn, never_rising, shares

CHANCES = {"near": 0.9, "middle": 0.4, "far": 0.05}
PAIRS = {"near": 4_000, "middle": 10_000, "far": 30_000}
M = ({"same": 0.95, "other": 0.05}, {"alike": 0.6, "unlike": 0.4})
STRANGERS = ({"same": 0.3, "other": 0.7}, {"alike": 0.1, "unlike": 0.9})
FRAME = Frame((("near", "middle", "far"),), {"near": 0.6, "middle": 0.3, "far": 0.2}, STRANGERS)


def drawn(seed: int) -> Counter[Pattern]:
    chance = random.Random(seed)
    counts: Counter[Pattern] = Counter()
    for level, pairs in PAIRS.items():
        for _ in range(pairs):
            tables = M if chance.random() < CHANCES[level] else STRANGERS
            own = (chance.choices(list(table), list(table.values()))[0] for table in tables)
            counts[level, *own] += 1
    return counts


def real_frame() -> Frame:
    return Frame(CHAINS, beginning(), [shares({}, feature.levels) for feature in OWN_FEATURES])


patterns = st.tuples(
    st.sampled_from(NETWORKS.levels),
    *(st.sampled_from((*feature.levels, "unknown")) for feature in OWN_FEATURES),
)
counts = st.dictionaries(patterns, st.integers(1, 5_000), max_size=40)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_finds_the_model_that_the_pairs_were_made_to(seed: int) -> None:
    model = learn(drawn(seed), FRAME)
    assert model.networks_learnt
    together = sum(CHANCES[level] * PAIRS[level] for level in PAIRS)
    assert model.prior == pytest.approx(together / sum(PAIRS.values()), abs=0.02)
    for found, made in zip(model.m[1:], M, strict=True):
        assert found == pytest.approx(made, abs=0.03)
    for level, chance in CHANCES.items():
        odds = model.prior / (1 - model.prior) * 2 ** model.weight_of(0, level)
        assert odds / (1 + odds) == pytest.approx(chance, abs=0.05)


def test_a_probability_is_how_often_it_is_true() -> None:
    model = learn(drawn(4), FRAME)
    for level, chance in CHANCES.items():
        for same, m, u in (("same", 0.95, 0.3), ("other", 0.05, 0.7)):
            for alike, m2, u2 in (("alike", 0.6, 0.1), ("unlike", 0.4, 0.9)):
                together, apart = chance * m * m2, (1 - chance) * u * u2
                found = model.probability((level, same, alike))
                assert found == pytest.approx(together / (together + apart), abs=0.06)


@given(counts)
@settings(max_examples=100, deadline=None)
def test_the_objective_never_falls(pairs: dict[Pattern, int]) -> None:
    model = learn(pairs, real_frame())
    assert all(after >= before - 1e-9 * abs(before) for before, after in pairwise(model.objective))


@given(counts)
@settings(max_examples=50, deadline=None)
def test_every_pattern_gets_a_probability_whatever_was_learnt_and_a_larger_network_never_a_higher_one(
    pairs: dict[Pattern, int],
) -> None:
    model = learn(pairs, real_frame())
    for feature, m, u in zip(FEATURES, model.m, model.u, strict=True):
        assert set(m) == set(u) == set(feature.levels)
        assert sum(m.values()) == pytest.approx(1)
        assert sum(u.values()) == pytest.approx(1)
    rest = tuple(feature.levels[0] for feature in OWN_FEATURES)
    for chain in CHAINS:
        chances = [model.probability((level, *rest)) for level in chain]
        assert all(0 < chance < 1 for chance in chances)
        assert all(after <= before + 1e-12 for before, after in pairwise(chances))


@given(counts)
@settings(max_examples=25, deadline=None)
def test_the_order_in_which_patterns_come_changes_nothing(pairs: dict[Pattern, int]) -> None:
    assert learn(pairs, real_frame()) == learn(dict(reversed(pairs.items())), real_frame())


def test_where_the_other_features_tell_too_little_the_networks_mean_what_they_meant_in_the_beginning() -> (
    None
):
    everybody_alike = ({"same": 0.999, "other": 0.001}, {"alike": 0.999, "unlike": 0.001})
    counts: Counter[Pattern] = Counter()
    for (level, _, _), count in drawn(6).items():
        counts[level, "same", "alike"] += count
    model = learn(counts, FRAME._replace(strangers=everybody_alike))
    assert not model.networks_learnt
    for level, chance in FRAME.beginning.items():
        assert model.probability((level, "unknown", "unknown")) == pytest.approx(chance)


def test_an_unknown_level_weighs_nothing() -> None:
    model = learn(drawn(5), FRAME)
    assert model.weight(("near", "unknown", "unknown")) == model.weight_of(0, "near")


def test_without_pairs_the_beginning_stays() -> None:
    model = learn({}, FRAME)
    assert model.probability(("near", "unknown", "unknown")) == pytest.approx(0.6, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(50, 100)), max_size=12))
def test_shares_that_never_rise_keep_their_sum_and_their_order(counted: list[tuple[int, int]]) -> None:
    parts, wholes = [part for part, _ in counted], [whole for _, whole in counted]
    found = never_rising(parts, wholes)
    assert all(after <= before + 1e-12 for before, after in pairwise(found))
    assert sum(share * whole for share, whole in zip(found, wholes, strict=True)) == pytest.approx(sum(parts))


def test_shares_that_do_not_rise_stay_as_they_are() -> None:
    assert never_rising([9, 5, 1], [10, 10, 10]) == [0.9, 0.5, 0.1]
