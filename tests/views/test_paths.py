"""Paths against a walk along each person's events."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.views.towns import Happened, journeys, settle, towns

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

# Not shrunk: it would take minutes, and a failing town is small.
EXAMPLES = settings(
    max_examples=12,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
QUESTIONS = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["", "A", "B"]),
        "direction": st.sampled_from(["before", "after"]),
        "depth": st.integers(1, 4),
        "top": st.sampled_from([2, 100]),
        "within": st.sampled_from(["journey", "session"]),
        "stitched": st.booleans(),
    }
)


def walks(names: list[str], event: str, depth: int) -> list[list[str]]:
    """Each path: from where it begins, at most so many steps, and not past the event when it comes again."""
    starts = [at for at, name in enumerate(names) if name == event] if event else [0]
    found = []
    for start in starts:
        walk = [names[start]]
        for name in names[start + 1 : start + 1 + depth]:
            walk.append(name)
            if name == event:
                break
        found.append(walk)
    return found


def expected(
    happened: list[Happened], event: str, direction: str, depth: int, top: int, within: str, *, stitched: bool
) -> list[tuple[Any, ...]]:
    paths: Counter[tuple[int, str, str]] = Counter()
    people = defaultdict(set)
    for who, events in journeys(happened, stitched=stitched).items():
        for session in sorted({one.session for one in events}) if within == "session" else [None]:
            names = [one.name for one in events if session in (None, one.session)]
            names = names[::-1] if direction == "before" else names
            for walk in walks([name for name, _ in groupby(names)], event, depth):
                for step in range(1, len(walk)):
                    pair = walk[step - 1], walk[step]
                    edge = step, *(pair[::-1] if direction == "before" else pair)
                    paths[edge] += 1
                    people[edge].add(who)
    rows = [(*edge, len(people[edge]), count) for edge, count in paths.items()]
    rows.sort(key=lambda row: (row[0], -row[4], -row[3], row[1], row[2]))
    return [row for _, step in groupby(rows, key=lambda row: row[0]) for row in list(step)[:top]]


@EXAMPLES
@given(happened=towns(people=5, events=100), question=QUESTIONS)
def test_paths_are_those_of_a_walk_along_the_events(
    engine: Engine, happened: list[Happened], question: dict[str, Any]
) -> None:
    town = settle(engine, happened)
    asked = {name: str(int(value) if isinstance(value, bool) else value) for name, value in question.items()}
    assert town.ask("paths", **asked) == expected(happened, **question)
