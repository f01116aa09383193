"""Which parts under-perform, against counting by hand and the intervals as their authors write them."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.views.towns import Happened, journeys, settle, towns

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

STAGES = ["awareness", "consideration", "purchase", "onboarding", "retention", "advocacy"]
# Not shrunk: it would take minutes, and a failing town is small.
EXAMPLES = settings(
    max_examples=12,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FIELDS = {
    "channel": "channel", "device": "device_type", "source": "source", "campaign": "campaign", "content": "content",
    "page": "address",
}  # fmt: skip


def wilson(went_on: int, people: int, z: float) -> tuple[float, float]:
    """The roots of (p - rate)^2 = z^2 * p * (1 - p) / n: Wilson 1927."""
    rate = went_on / people
    a, b, c = 1 + z * z / people, -2 * rate - z * z / people, rate * rate
    root = sqrt(max(b * b - 4 * a * c, 0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def newcombe(one: tuple[int, int], other: tuple[int, int], z: float) -> tuple[float, float, float]:
    """The difference of two rates and its interval: Newcombe 1998, method 10."""
    (rate1, (low1, high1)), (rate2, (low2, high2)) = (
        (went_on / people, wilson(went_on, people, z)) for went_on, people in (one, other)
    )
    difference = rate1 - rate2
    below = sqrt((rate1 - low1) ** 2 + (high2 - rate2) ** 2)
    above = sqrt((high1 - rate1) ** 2 + (rate2 - low2) ** 2)
    return difference, difference - below, difference + above


def at_stages(
    happened: list[Happened], by: str, met: str, *, stitched: bool
) -> dict[str, list[tuple[set[str], bool]]]:
    """For each stage but the last, each person's parts while there, and whether they went on."""
    found: dict[str, list[tuple[set[str], bool]]] = {stage: [] for stage in STAGES[:-1]}
    for events in journeys(happened, stitched=stitched).values():
        for stage, people in found.items():
            parts: list[str] = []
            is_there = went_on = False
            for event in events:
                if event.stage == stage and not went_on:
                    is_there = True
                    parts += [getattr(event, FIELDS[by])] if getattr(event, FIELDS[by]) else []
                elif is_there and event.stage and STAGES.index(event.stage) > STAGES.index(stage):
                    went_on = True
            if is_there:
                people.append((set(parts if met == "any" else parts[:1]), went_on))
    return found


def expected(
    happened: list[Happened], by: str, met: str, z: float, *, stitched: bool
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for place, (stage, people) in enumerate(at_stages(happened, by, met, stitched=stitched).items()):
        for part in sorted({part for parts, _ in people for part in parts}):
            here = [went_on for parts, went_on in people if part in parts]
            rest = [went_on for parts, went_on in people if part not in parts]
            rate = sum(here) / len(here)
            if not rest:
                rows.append((place, None, (stage, part, len(here), rate, 0, 0, None, None, None, "", None)))
                continue
            difference, lower, upper = newcombe((sum(here), len(here)), (sum(rest), len(rest)), z)
            verdict = "under" if upper < -1e-12 else "over" if lower > 1e-12 else ""
            floats = [pytest.approx(one, abs=1e-9) for one in (difference, lower, upper)]
            missing = pytest.approx(-difference * len(here), abs=1e-9)
            rest_rate = sum(rest) / len(rest)
            row = (stage, part, len(here), rate, len(rest), rest_rate, *floats, verdict, missing)
            rows.append((place, upper, row))
    rows.sort(key=lambda row: (row[0], row[1] is None, round(row[1] or 0, 9), row[2][1]))
    return [row for _, _, row in rows]


@EXAMPLES
@given(
    happened=towns(people=20, events=120),
    by=st.sampled_from(sorted(FIELDS)),
    met=st.sampled_from(["first", "any"]),
    z=st.sampled_from([0.2, 0.5, 1.96]),
    stitched=st.booleans(),
)
def test_parts_are_judged_as_counting_by_hand_and_newcombe_judge_them(
    engine: Engine, happened: list[Happened], by: str, met: str, z: float, *, stitched: bool
) -> None:
    town = settle(engine, happened)
    rows = town.ask("underperforming", by=by, met=met, z=str(z), stitched=str(int(stitched)))
    rows.sort(key=lambda row: (STAGES.index(row[0]), row[8] is None, round(row[8] or 0, 9), row[1]))
    assert rows == expected(happened, by, met, z, stitched=stitched)


def test_a_difference_that_few_people_make_is_no_news_and_that_many_make_is(engine: Engine) -> None:
    def people(number: int) -> list[Happened]:
        found = []
        for person in range(number * 2):
            channel, went_on = ("web", person % 4 == 0) if person % 2 == 0 else ("app", person % 4 == 1)
            found.append(Happened(person, 0, 0, 0, 2 * person, "A", "awareness", channel))
            if went_on and (channel == "app" or person % 8 == 0):
                found.append(Happened(person, 0, 10, 0, 2 * person + 1, "B", "consideration", ""))
        return found

    def verdicts(number: int) -> dict[str, str]:
        return {row[1]: row[9] for row in settle(engine, people(number)).ask("underperforming")}

    assert verdicts(20) == {"web": "", "app": ""}  # 5 of 20 against 10 of 20
    assert verdicts(200) == {"web": "under", "app": "over"}
