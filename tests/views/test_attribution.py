"""Attribution against walks along each person's events and the models' own definitions, tried out in full."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import groupby, pairwise, permutations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.views.towns import Happened, Town, is_called, journeys, quantile, settle, towns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stitchline_collector.engine import Engine

# Not shrunk: it would take minutes, and a failing town is small.
EXAMPLES = settings(
    max_examples=12,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
QUESTIONS = st.fixed_dictionaries(
    {
        "conversion": st.sampled_from(["", "A", "D", "won"]),
        "to_stage": st.sampled_from(["purchase", "onboarding"]),
        "by": st.sampled_from(["channel", "source", "campaign"]),
        "lookback_s": st.sampled_from([0, 30, 1000]),
        "stitched": st.booleans(),
        "since_s": st.sampled_from([0, 40]),
    }
)
HALF_LIFE_S = 20
USUALLY_DIRECT = ["web", "mobile_web", "app", "direct"]


@dataclass(frozen=True)
class Path:
    """One path: its touches with their times, and when it ended how."""

    who: Any
    touches: tuple[tuple[str, int], ...]
    converted: bool
    end_s: int
    began_s: int

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.touches]


def conversions(events: list[Happened], conversion: str, to_stage: str) -> list[bool]:
    if conversion:
        return [is_called(event, conversion) for event in events]
    found, stage = [], ""
    for event in events:
        found.append(event.stage == to_stage != stage)
        stage = event.stage or stage
    return found


def paths(
    happened: list[Happened],
    conversion: str,
    by: str,
    lookback_s: int,
    since_s: int,
    *,
    stitched: bool,
    to_stage: str = "purchase",
) -> list[Path]:
    happened = [event for event in happened if event.at_s >= since_s - lookback_s]
    found = []
    for who, events in journeys(happened, stitched=stitched).items():
        touches: list[tuple[str, int]] = []
        for event, converts in zip(events, conversions(events, conversion, to_stage), strict=True):
            if converts:
                found.append(_path(who, touches, event.at_s, lookback_s, converted=True))
                touches = []
            elif getattr(event, by):
                touches.append((getattr(event, by), event.at_s))
        if touches:
            found.append(_path(who, touches, touches[-1][1], lookback_s, converted=False))
    return [path for path in found if path.end_s >= since_s]


def _path(who: Any, touches: list[tuple[str, int]], end_s: int, lookback_s: int, *, converted: bool) -> Path:
    near = [touch for touch in touches if end_s - touch[1] <= lookback_s]
    runs = [list(run)[-1] for _, run in groupby(near, key=lambda touch: touch[0])]
    return Path(who, tuple(runs), converted, end_s, near[0][1] if near else end_s)


def decay(path: Path) -> list[float]:
    weights = [0.5 ** ((path.touches[-1][1] - at_s) / HALF_LIFE_S) for _, at_s in path.touches]
    return [weight / sum(weights) for weight in weights]


def listed(found: Iterable[Path]) -> list[tuple[Any, ...]]:
    groups = defaultdict(list)
    for path in found:
        groups[path.converted, tuple(path.names)].append(path)
    rows = []
    for (converted, names), group in groups.items():
        took = [path.end_s - path.began_s for path in group]
        shares = [sum(column) * converted for column in zip(*map(decay, group), strict=True)]
        people = len({path.who for path in group})
        rows.append((
            list(names), int(converted), people, len(group), quantile(took, 0.5), quantile(took, 0.9),
            pytest.approx(shares),
        ))  # fmt: skip
    return sorted(rows, key=lambda row: (-row[1], -row[3], row[0]))


def _shaped(number: int, first: float, last: float) -> list[float]:
    if number == 1:
        return [1]
    if number == 2:
        return [first / (first + last), last / (first + last)]
    return [first, *[(1 - first - last) / (number - 2)] * (number - 2), last]


def _only(place: int, number: int) -> list[float]:
    return [float(at == place) for at in range(number)]


def positions(path: Path, direct: list[str]) -> dict[str, list[float]]:
    """What each model gives to each touch of a path."""
    number = len(path.touches)
    indirect = [at for at, name in enumerate(path.names) if name not in direct] or [number - 1]
    return {
        "first": _only(0, number),
        "last": _only(number - 1, number),
        "last_non_direct": _only(indirect[-1], number),
        "linear": [1 / number] * number,
        "u_shaped": _shaped(number, 0.4, 0.4),
        "j_shaped": _shaped(number, 0.2, 0.6),
        "inverse_j": _shaped(number, 0.6, 0.2),
        "time_decay": decay(path),
    }


def shapley(found: list[Path]) -> dict[str, float]:
    """Of all orders in which touches could join: how many more conversions need no other once this one is there."""
    sets = Counter(frozenset(path.names) for path in found if path.converted and path.touches)
    names = sorted(frozenset().union(*sets))
    orders = list(permutations(names))
    worth: Counter[str] = Counter()
    for order in orders:
        for place, name in enumerate(order):
            without, with_it = set(order[:place]), set(order[: place + 1])
            worth[name] += sum(count for one, count in sets.items() if one <= with_it and not one <= without)
    return {name: worth[name] / len(orders) for name in names}


def chance(found: list[Path], removed: str) -> float:
    """How likely a walk with the observed steps converts, where `removed` leads nowhere."""
    steps: dict[str, Counter[str]] = defaultdict(Counter)
    for path in found:
        for one, other in pairwise(["(start)", *path.names, "(won)" if path.converted else "(lost)"]):
            steps[one][other] += 1
    chances = dict.fromkeys(steps, 0.0) | {"(won)": 1.0, "(lost)": 0.0}
    changed = 1.0
    while changed > 1e-14:
        changed = 0.0
        for one, nexts in steps.items():
            likely = sum(chances[other] * times for other, times in nexts.items()) / nexts.total()
            likely = 0.0 if one == removed else likely
            changed = max(changed, abs(likely - chances[one]))
            chances[one] = likely
    return chances["(start)"]


def markov(found: list[Path]) -> dict[str, float]:
    touched = [path for path in found if path.touches]
    names = {name for path in touched for name in path.names}
    whole = chance(touched, "") if touched else 0
    lost = {name: whole - chance(touched, name) for name in names}
    won = sum(path.converted for path in touched)
    return {name: won * lost[name] / sum(lost.values()) if won else 0 for name in names}


MODELS = [
    "first", "last", "last_non_direct", "linear", "u_shaped", "j_shaped", "inverse_j", "time_decay", "markov", "shapley",
]  # fmt: skip


def attributed(found: list[Path], direct: list[str]) -> list[tuple[Any, ...]]:
    given: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for path in found:
        for name in set(path.names):
            given[name]["paths"] += 1
            given[name]["participation"] += path.converted
        if path.converted and path.touches:
            for model, shares in positions(path, direct).items():
                for name, share in zip(path.names, shares, strict=True):
                    given[name][model] += share
    for model, shares_of in (("markov", markov(found)), ("shapley", shapley(found))):
        for name, share in shares_of.items():
            given[name][model] = share
    untouched = sum(not path.touches for path in found)
    if untouched:
        given[""] = dict.fromkeys(["paths", "participation", *MODELS], untouched)
    rows = [
        (name, one["paths"], one["participation"], *(pytest.approx(one[model], abs=1e-9) for model in MODELS))
        for name, one in given.items()
    ]
    return sorted(rows, key=lambda row: (-row[2], -row[1], row[0]))


def asked(town: Town, question: dict[str, Any]) -> dict[str, str]:
    texts = {name: str(int(value) if isinstance(value, bool) else value) for name, value in question.items()}
    since = town.start + dt.timedelta(seconds=int(texts.pop("since_s")))
    return texts | {"since": since.isoformat(), "half_life_s": str(HALF_LIFE_S)}


@EXAMPLES
@given(
    happened=towns(people=6, events=100, moments=14),
    question=QUESTIONS,
    direct=st.sampled_from([[], ["web", "search"]]),
)
def test_each_model_gives_what_its_definition_tried_out_gives(
    marked: Engine, happened: list[Happened], question: dict[str, Any], direct: list[str]
) -> None:
    town = settle(marked, happened)
    found = paths(happened, **question)
    given = asked(town, question)
    assert town.ask("attribution_paths", **given) == listed(found)
    rows = town.ask("attribution", direct=",".join(direct), **given)
    assert rows == attributed(found, direct or USUALLY_DIRECT)
    won = sum(path.converted for path in found)
    for column in zip(*(row[3:] for row in rows), strict=True):
        assert sum(column) == pytest.approx(won), "every model shares out the conversions, each once"


@EXAMPLES
@given(happened=towns(people=6, events=100, moments=14))
def test_beyond_the_top_all_touches_are_one(engine: Engine, happened: list[Happened]) -> None:
    town = settle(engine, happened)
    found = paths(happened, "D", "channel", 1000, 0, stitched=True)
    visits = Counter(name for path in found for name in path.names)
    told = sorted(visits, key=lambda name: (-visits[name], name))[:1]
    given = {"conversion": "D", "top": "1", "lookback_s": "1000"}
    rows = {row[0]: row[1:] for row in town.ask("attribution", **given)}
    assert set(rows) == {*told, *(["(others)"] if len(visits) > 1 else []), *([""] if "" in rows else [])}
    apart = attributed(found, USUALLY_DIRECT)
    linear = 3 + MODELS.index("linear")
    others = sum(row[linear].expected for row in apart if row[0] not in ("", *told))
    if len(visits) > 1:
        assert rows["(others)"][linear - 1] == pytest.approx(others)
    as_one = [
        Path(
            path.who,
            tuple((name if name in told else "(others)", at_s) for name, at_s in path.touches),
            path.converted,
            path.end_s,
            path.began_s,
        )
        for path in found
    ]
    for name, share in markov(as_one).items():
        assert rows[name][2 + MODELS.index("markov")] == pytest.approx(share, abs=1e-9)
