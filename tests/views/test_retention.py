"""Retention against counting each person's visits by hand."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.views.towns import Happened, Town, is_called, journeys, settle, towns

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

PERIOD_S, PERIODS = 30, 4
# Not shrunk: it would take minutes, and a failing town is small.
EXAMPLES = settings(
    max_examples=12,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
QUESTIONS = st.fixed_dictionaries(
    {
        "began": st.sampled_from(["", "A", "B", "won"]),
        "came_back": st.sampled_from(["", "A", "C", "won"]),
        "kind": st.sampled_from(["classic", "rolling"]),
        "stitched": st.booleans(),
    }
)


def expected(
    town: Town, happened: list[Happened], now_s: int, began: str, came_back: str, kind: str, *, stitched: bool
) -> list[tuple[Any, ...]]:
    found: dict[tuple[dt.datetime, int], list[bool]] = defaultdict(list)
    for events in journeys(happened, stitched=stitched).values():
        first = next((at for at, event in enumerate(events) if not began or is_called(event, began)), None)
        if first is None:
            continue
        began_s = events[first].at_s
        cohort = town.start + dt.timedelta(seconds=began_s // PERIOD_S * PERIOD_S)
        visits = {
            (event.at_s - began_s) // PERIOD_S
            for event in events[first + 1 :]
            if not came_back or is_called(event, came_back)
        }
        for period in range(PERIODS):
            if began_s + (period + 1) * PERIOD_S <= now_s:
                returned = max(visits, default=-1) >= period if kind == "rolling" else period in visits
                found[cohort, period].append(returned)
    return [
        (*key, len(people), sum(people), sum(people) / len(people)) for key, people in sorted(found.items())
    ]


@EXAMPLES
@given(happened=towns(moments=16), question=QUESTIONS)
def test_retention_is_what_counting_by_hand_gives(
    marked: Engine, happened: list[Happened], question: dict[str, Any]
) -> None:
    town = settle(marked, happened)
    now_s = 160
    asked = {name: str(int(value) if isinstance(value, bool) else value) for name, value in question.items()}
    until = (town.start + dt.timedelta(seconds=now_s)).isoformat()
    rows = town.ask("retention", until=until, period_s=str(PERIOD_S), periods=str(PERIODS), **asked)
    assert rows == expected(town, happened, now_s, **question)
