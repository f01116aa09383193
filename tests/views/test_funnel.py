"""The funnel against one that tries every way through a person's events."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from stitchline_collector.journeys import prepare
from tests.views.towns import Happened, journeys, quantile, settle, towns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stitchline_collector.engine import Engine

STAGES = ["awareness", "consideration", "purchase", "onboarding", "retention", "advocacy"]
FIELDS = {
    "channel": "channel",
    "device": "device_type",
    "source": "source",
    "campaign": "campaign",
    "country": "country",
}
EXAMPLES = settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


# One event may reach several milestones: A on the web reaches two, B on the web another two.
MILESTONES = ["looked", "looked_on_web", "tried", "bought"]
JOURNEY = """
[[milestones]]
name = "looked"
stage = "awareness"
event = "A"

[[milestones]]
name = "looked_on_web"
stage = "awareness"
when = "channel = 'web' and name in ('A', 'B')"

[[milestones]]
name = "tried"
stage = "consideration"
event = "B"

[[milestones]]
name = "bought"
stage = "purchase"
event = "C"
"""


def reached(event: Happened) -> set[str]:
    found = {"A": {"looked"}, "B": {"tried"}, "C": {"bought"}}.get(event.name, set())
    return found | ({"looked_on_web"} if event.channel == "web" and event.name in "AB" else set())


def stage(event: Happened) -> set[str]:
    return {event.stage}


def derived(event: Happened) -> Happened:
    """The event in the furthest stage of the milestones it reaches, where it says none."""
    stages = {"A": "awareness", "B": "consideration", "C": "purchase"}
    return event if event.stage else replace(event, stage=stages.get(event.name, ""))


def name(event: Happened) -> set[str]:
    return {event.name}


LABELS = {"event": name, "stage": stage, "milestone": reached}


def _ordered(
    events: list[Happened], labels: list[set[str]], steps: list[str], window_s: int, *, strict: bool
) -> tuple[int, ...]:
    """Of all ways: the longest, of those the first to end, of those the one with the latest steps."""
    ways: list[tuple[int, ...]] = [(at,) for at, label in enumerate(labels) if steps[0] in label]
    for way in ways:
        ways += [  # the list grows while it is read: each way is tried with every next step
            (*way, at)
            for at in range(way[-1] + 1, len(events))
            if len(way) < len(steps)
            and steps[len(way)] in labels[at]
            and events[at].at_s - events[way[0]].at_s <= window_s
            and (at == way[-1] + 1 or not strict)
        ]
    return max(ways, key=lambda way: (len(way), -way[-1], way[::-1]), default=())


def _any(events: list[Happened], labels: list[set[str]], steps: list[str], window_s: int) -> tuple[int, ...]:
    """Of all windows that end with an event: the first with most steps, each where it was done last."""
    windows = []
    for end, event in enumerate(events):
        near = [at for at in range(end + 1) if event.at_s - events[at].at_s <= window_s]
        last = {label: at for at in near for label in labels[at] & set(steps)}
        windows.append((len(last), -end, tuple(sorted(last.values()))))
    return max(windows)[2] if windows and steps else ()


def expected(
    happened: list[Happened],
    by: str,
    steps: list[str],
    order: str,
    window_s: int,
    breakdown: str,
    *,
    stitched: bool,
) -> list[tuple[Any, ...]]:
    wanted = list(dict.fromkeys(steps)) if order == "any" else steps
    found: dict[str, list[list[int]]] = {}
    for journey in journeys(happened, stitched=stitched).values():
        events = [event for event in journey if LABELS[by](event) & set(wanted)]
        labels = [LABELS[by](event) for event in events]
        if order == "any":
            way = _any(events, labels, wanted, window_s)
        else:
            way = _ordered(events, labels, wanted, window_s, strict=order == "strict")
        if way:
            first = events[way[0]]
            part = getattr(first, FIELDS[breakdown]) if breakdown else ""
            found.setdefault(part, []).append([events[at].at_s for at in way])
    rows = []
    for part, ways in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        rows += _rows(part, ways, wanted, order)
    return rows


def _rows(part: str, ways: Sequence[Sequence[int]], wanted: list[str], order: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    before = len(ways)
    for step in range(len(wanted)):
        there = [way for way in ways if len(way) > step]
        gaps = [way[step] - way[step - 1] for way in there] if step else []
        rows.append((
            part, step + 1, f"{step + 1} of {len(wanted)}" if order == "any" else wanted[step], len(there),
            len(there) / len(ways), len(there) / before if before else 0,
            quantile(gaps, 0.5) if gaps else None, quantile(gaps, 0.9) if gaps else None,
        ))  # fmt: skip
        before = len(there)
    return rows


QUESTIONS = st.fixed_dictionaries(
    {
        "steps": st.lists(st.sampled_from("ABC"), min_size=1, max_size=4),
        "order": st.sampled_from(["ordered", "strict", "any"]),
        "window_s": st.sampled_from([0, 10, 25, 1000]),
        "breakdown": st.sampled_from(["", *FIELDS]),
        "stitched": st.booleans(),
    }
)
_TIE = [
    Happened(0, 0, 10, 1, 0, "B", "", "web"),
    Happened(0, 0, 10, 0, 1, "A", "", "web"),
    Happened(1, 0, 10, 0, 2, "B", "", "web"),
    Happened(1, 0, 10, 1, 3, "A", "", "web"),
]


@EXAMPLES
@given(
    happened=towns(),
    question=QUESTIONS,
    by=st.sampled_from(["event", "stage"]),
    stages=st.lists(st.sampled_from(STAGES[:4]), max_size=4),
)
@example(
    happened=_TIE,
    question={"steps": ["A", "B"], "order": "ordered", "window_s": 10, "breakdown": "", "stitched": True},
    by="event",
    stages=[],
)
def test_a_funnel_is_that_of_every_way_tried(
    engine: Engine, happened: list[Happened], question: dict[str, Any], by: str, stages: list[str]
) -> None:
    town = settle(engine, happened)
    steps = question["steps"] if by == "event" else stages
    given = {
        "by": by,
        "steps": ",".join(steps),
        "order": question["order"],
        "window_s": str(question["window_s"]),
        "breakdown": question["breakdown"],
        "stitched": str(int(question["stitched"])),
    }
    assert town.ask("funnel", **given) == expected(happened, by, **question | {"steps": steps or STAGES})


@pytest.fixture
def defined(engine: Engine) -> Engine:
    """A ClickHouse with milestones."""
    prepare(engine, JOURNEY)
    return engine


@settings(
    EXAMPLES, phases=(Phase.generate,)
)  # not shrunk: it would take minutes, and a failing town is small
@given(
    happened=towns(people=6),
    question=QUESTIONS,
    steps=st.lists(st.sampled_from(MILESTONES), max_size=4),
)
def test_a_funnel_of_milestones_is_that_of_every_way_tried(
    defined: Engine, happened: list[Happened], question: dict[str, Any], steps: list[str]
) -> None:
    texts = {name: str(int(value) if isinstance(value, bool) else value) for name, value in question.items()}
    rows = settle(defined, happened).ask("funnel", **texts | {"by": "milestone", "steps": ",".join(steps)})
    assert rows == expected(happened, "milestone", **question | {"steps": steps or MILESTONES})


LEFT_TO = {"event": "name", "channel": "channel", "device": "device_type", "stage": "stage"}


def exits(
    happened: list[Happened],
    by: str,
    steps: list[str],
    order: str,
    window_s: int,
    breakdown: str,
    left_to: str,
    *,
    stitched: bool,
) -> list[tuple[Any, ...]]:
    found: dict[tuple[str, int], dict[str, list[int]]] = {}
    for journey in journeys(happened, stitched=stitched).values():
        events = [event for event in journey if LABELS[by](event) & set(steps)]
        labels = [LABELS[by](event) for event in events]
        way = _ordered(events, labels, steps, window_s, strict=order == "strict")
        if not way or len(way) == len(steps):
            continue
        first, last, step = events[way[0]], events[way[-1]], steps[len(way) - 1]
        after = [
            (getattr(event, left_to), event.at_s - last.at_s)
            for event in journey[journey.index(last) + 1 :]
            if getattr(event, left_to)
            and event.at_s - last.at_s <= window_s
            and step not in LABELS[by](event)
        ]
        went_to, took = after[0] if after else ("", 0)
        part = getattr(first, FIELDS[breakdown]) if breakdown else ""
        found.setdefault((part, len(way)), {}).setdefault(went_to, []).append(took)
    rows = []
    for (part, step_number), ends in sorted(found.items()):
        people = sum(map(len, ends.values()))
        for went_to, times in sorted(ends.items(), key=lambda item: (-len(item[1]), item[0])):
            p50 = quantile(times, 0.5) if went_to else None
            name = steps[step_number - 1]
            rows.append((part, step_number, name, went_to, len(times), len(times) / people, p50))
    return rows


@settings(
    EXAMPLES, phases=(Phase.generate,)
)  # not shrunk: it would take minutes, and a failing town is small
@given(
    happened=towns(people=6),
    question=QUESTIONS,
    order=st.sampled_from(["ordered", "strict"]),
    left_to=st.sampled_from(sorted(LEFT_TO)),
    by=st.sampled_from(["event", "milestone", "stage"]),
    top=st.sampled_from([1, 1000]),
)
def test_who_leaves_goes_where_reading_on_shows(
    defined: Engine,
    happened: list[Happened],
    question: dict[str, Any],
    order: str,
    left_to: str,
    by: str,
    top: int,
) -> None:
    steps = {"event": question["steps"], "milestone": MILESTONES, "stage": STAGES}[by]
    asked = question | {"steps": ",".join(steps), "order": order, "by": by}
    texts = {name: str(int(value) if isinstance(value, bool) else value) for name, value in asked.items()}
    town = settle(defined, happened)
    rows = town.ask("funnel_exits", **texts, left_to=left_to, top=str(top))
    wanted = question | {"steps": steps, "order": order}
    found = exits([derived(one) for one in happened], by, **wanted, left_to=LEFT_TO[left_to])
    assert rows == [row for _, step in groupby(found, key=lambda row: row[:2]) for row in list(step)[:top]]
    lost: dict[tuple[str, int], int] = {}
    for part, step, _, people, *_ in town.ask("funnel", **texts):
        lost[part, step - 1] = lost.get((part, step - 1), 0) - people
        lost[part, step] = people
    for part, step in {(row[0], row[1]) for row in found}:
        assert sum(row[4] for row in found if row[:2] == (part, step)) == lost[part, step]


def test_equal_times_are_ordered_by_seq(engine: Engine) -> None:
    rows = settle(engine, _TIE).ask("funnel", by="event", steps="A,B")
    assert [(row[2], row[3]) for row in rows] == [("A", 2), ("B", 1)]
