"""Weights learnt without labels: the model of Fellegi and Sunter (1969), fitted by expectation maximisation.

Enters: how many pairs show which levels, and how often strangers show them. Leaves: a `Model`: the share of pairs that belong together,
and for each feature and level how often it is seen of those (m) and of the others (u). Guaranteed: pure and deterministic; the
objective never falls from one round to the next.

Each pair either belongs together or does not, and given which, its features are independent. The first feature, the networks, is
what pairs are found by: strangers taken by lot have no network in common, so its m and u are both learnt, but a larger network is
never allowed to speak more for a pair. Of every other feature u is known from such strangers, and m is learnt.

What the networks mean is learnt from how alike the pairs are otherwise. Where that says little, as in a country of one time zone, any split
of the pairs into two kinds would do, and maximum likelihood finds a wrong one. So, where the other features together tell less than
`LEAST_BITS` of a pair that belongs together, the chances by network stay as they were in the beginning, and `networks_learnt` says so.

One pseudo-pair for each level of the networks, and one for each other feature, keep what was never seen from being
impossible; the objective is the log-likelihood with them. An unknown level weighs nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Pattern = tuple[str, ...]
Shares = dict[str, float]

LEAST_BITS = 0.5
_MOST_ROUNDS = 3000
_ENOUGH = 1e-10  # of the objective, relative


class Frame(NamedTuple):
    """What is known before learning.

    Attributes:
        chains: levels of the first feature, in chains along which the chance never rises.
        beginning: chance that a pair belongs together by level of the first feature.
        strangers: of every other feature, how often each level is seen of strangers.
    """

    chains: Sequence[Sequence[str]]
    beginning: Mapping[str, float]
    strangers: Sequence[Mapping[str, float]]


class Model(NamedTuple):
    """What was learnt.

    Attributes:
        prior: share of the pairs that belong together.
        m: by feature and level.
        u: by feature and level.
        objective: after each round.
        networks_learnt: whether the chances by network are learnt; else they are those of the beginning.
    """

    prior: float
    m: tuple[Shares, ...]
    u: tuple[Shares, ...]
    objective: tuple[float, ...]
    networks_learnt: bool

    def weight_of(self, place: int, level: str) -> float:
        """How much a level of a feature speaks for belonging together, in bits."""
        m = self.m[place].get(level)
        return 0.0 if m is None else math.log2(m / self.u[place][level])

    def weight(self, pattern: Pattern) -> float:
        """How much a pattern speaks for it: the sum over its levels."""
        return sum(self.weight_of(place, level) for place, level in enumerate(pattern))

    def probability(self, pattern: Pattern) -> float:
        """How probable it is that a pair of this pattern belongs together."""
        return 1 / (1 + (1 - self.prior) / self.prior * 2 ** -self.weight(pattern))


class _State(NamedTuple):
    """Between two rounds: the chance by level of the first feature, and m of the others."""

    chances: Shares
    m: tuple[Shares, ...]


def learn(counts: Mapping[Pattern, float], frame: Frame) -> Model:
    """Fit a model.

    Args:
        counts: pairs by pattern.
        frame: what is known before.
    """
    pairs = dict(sorted(counts.items()))
    state, objective = _fitted(pairs, frame, learn_networks=True)
    networks_learnt = _bits(state, frame) >= LEAST_BITS
    if not networks_learnt:
        state, objective = _fitted(pairs, frame, learn_networks=False)
    return _model(state, pairs, frame, objective, networks_learnt=networks_learnt)


def shares(counts: Mapping[str, float], levels: Sequence[str]) -> Shares:
    """How often each level is seen among those that say something, with one pseudo-pair spread over them."""
    pseudo = 1 / len(levels)
    total = 1 + sum(counts.get(level, 0) for level in levels)
    return {level: (counts.get(level, 0) + pseudo) / total for level in levels}


def _fitted(
    pairs: Mapping[Pattern, float], frame: Frame, *, learn_networks: bool
) -> tuple[_State, list[float]]:
    begun = {pattern: count * frame.beginning[pattern[0]] for pattern, count in pairs.items()}
    state = _maximised(begun, pairs, frame, learn_networks=learn_networks)
    objective = [_objective(state, pairs, frame)]
    while len(objective) < _MOST_ROUNDS:
        expected = _expected(state, pairs, frame)
        state = _maximised(expected, pairs, frame, learn_networks=learn_networks)
        objective.append(_objective(state, pairs, frame))
        if objective[-1] - objective[-2] <= _ENOUGH * abs(objective[-2]):
            break
    return state, objective


def _bits(state: _State, frame: Frame) -> float:
    """How much the other features tell of a pair that belongs together (Kullback and Leibler)."""
    return sum(
        share * math.log2(share / u[level])
        for m, u in zip(state.m, frame.strangers, strict=True)
        for level, share in m.items()
    )


def _likelihoods(state: _State, pattern: Pattern, frame: Frame) -> tuple[float, float]:
    """Of a pattern, given the level of its networks: with belonging together, and with not."""
    together = state.chances[pattern[0]]
    apart = 1 - together
    for m, u, level in zip(state.m, frame.strangers, pattern[1:], strict=True):
        if level in u:
            together *= m[level]
            apart *= u[level]
    return together, apart


def _expected(state: _State, pairs: Mapping[Pattern, float], frame: Frame) -> dict[Pattern, float]:
    """How many of the pairs of each pattern belong together."""
    expected = {}
    for pattern, count in pairs.items():
        together, apart = _likelihoods(state, pattern, frame)
        expected[pattern] = count * together / (together + apart)
    return expected


def _maximised(
    together: Mapping[Pattern, float],
    pairs: Mapping[Pattern, float],
    frame: Frame,
    *,
    learn_networks: bool,
) -> _State:
    m = tuple(shares(_by_level(together, place), list(u)) for place, u in enumerate(frame.strangers, 1))
    if not learn_networks:
        return _State(dict(frame.beginning), m)
    counted, all_counted = _by_level(together, 0), _by_level(pairs, 0)
    chances: Shares = {}
    for chain in frame.chains:
        parts = [counted[level] + frame.beginning[level] for level in chain]
        wholes = [all_counted[level] + 1 for level in chain]
        chances |= zip(chain, never_rising(parts, wholes), strict=True)
    return _State(chances, m)


def never_rising(parts: Sequence[float], wholes: Sequence[float]) -> list[float]:
    """The most likely shares that never rise: neighbours that would are pooled (Ayer and others, 1955)."""
    pools: list[tuple[float, float, int]] = []
    for part, whole in zip(parts, wholes, strict=True):
        pool = (part, whole, 1)
        while pools and pools[-1][0] * pool[1] < pool[0] * pools[-1][1]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    return [part / whole for part, whole, levels in pools for _ in range(levels)]


def _objective(state: _State, pairs: Mapping[Pattern, float], frame: Frame) -> float:
    total = sum(
        count * math.log(sum(_likelihoods(state, pattern, frame))) for pattern, count in pairs.items()
    )
    for level, chance in state.chances.items():
        begun = frame.beginning[level]
        total += begun * math.log(chance) + (1 - begun) * math.log(1 - chance)
    for m in state.m:
        total += sum(map(math.log, m.values())) / len(m)
    return total


def _model(
    state: _State,
    pairs: Mapping[Pattern, float],
    frame: Frame,
    objective: Sequence[float],
    *,
    networks_learnt: bool,
) -> Model:
    """Write the chances by level as prior, m and u, as for the other features."""
    seen = _by_level(pairs, 0)
    counted = {level: 1 + seen[level] for level in state.chances}
    together = {level: count * state.chances[level] for level, count in counted.items()}
    apart = {level: count - together[level] for level, count in counted.items()}
    sums = sum(together.values()), sum(apart.values())
    m, u = (
        {level: column[level] / whole for level in state.chances}
        for column, whole in zip((together, apart), sums, strict=True)
    )
    strangers = (dict(known) for known in frame.strangers)
    return Model(sums[0] / sum(sums), (m, *state.m), (u, *strangers), tuple(objective), networks_learnt)


def _by_level(counts: Mapping[Pattern, float], place: int) -> defaultdict[str, float]:
    by_level: defaultdict[str, float] = defaultdict(float)
    for pattern, count in counts.items():
        by_level[pattern[place]] += count
    return by_level
