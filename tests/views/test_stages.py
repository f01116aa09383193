"""Stages, deadlines, hand-overs and days against plain loops over each person's events."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stitchline_collector.journeys import prepare
from tests.views.towns import Happened, Town, journeys, quantile, settle, towns

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

STAGES = ["awareness", "consideration", "purchase", "onboarding"]
# `onboarding` is no stage of this definition, though events say it, as after a renaming; E is no milestone.
JOURNEY = """
stages = ["awareness", "consideration", "purchase"]

[[milestones]]
name = "looked"
stage = "awareness"
event = "A"

[[milestones]]
name = "came_back"
stage = "consideration"
event = "B"
within = "1 minute"

[[milestones]]
name = "no_deadline"
stage = "consideration"
event = "C"

[[milestones]]
name = "bought"
stage = "purchase"
event = "D"
within = "1 minute"
"""
DERIVED = {"A": "awareness", "B": "consideration", "C": "consideration", "D": "purchase"}
PARTS = {
    "channel": "channel",
    "device": "device_type",
    "source": "source",
    "campaign": "campaign",
    "country": "country",
}
MILESTONES = {"came_back": ("looked", "A", "B"), "bought": ("no_deadline", "C", "D")}
# A failing town is small enough to read; to shrink it would take minutes, most of them ClickHouse's.
EXAMPLES = settings(
    max_examples=12,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Rows = list[tuple[Any, ...]]


@pytest.fixture
def defined(engine: Engine) -> Engine:
    """A ClickHouse where events A to D are milestones."""
    prepare(engine, JOURNEY)
    return engine


def stage_of(event: Happened) -> str:
    return event.stage or DERIVED.get(event.name, "")


def transitions(happened: list[Happened], *, stitched: bool) -> Rows:
    found = defaultdict(list)
    for who, events in journeys(happened, stitched=stitched).items():
        staged = [event for event in events if stage_of(event)]
        entries = [next(group) for _, group in groupby(staged, key=stage_of)]
        for before, after in pairwise(entries):
            found[stage_of(before), stage_of(after)].append((who, after.at_s - before.at_s))
    known = STAGES[:3]

    def direction(one: str, other: str) -> str:
        if one not in known or other not in known:
            return "unknown"
        step = known.index(other) - known.index(one)
        return "back" if step < 0 else "forward" if step == 1 else "skip"

    rows = [
        (
            *pair,
            direction(*pair),
            len({who for who, _ in times}),
            len(times),
            *_quantiles([took for _, took in times]),
        )
        for pair, times in found.items()
    ]
    return sorted(rows, key=lambda row: (-row[3], -row[4], row[0], row[1]))


def loops(happened: list[Happened], *, stitched: bool) -> Rows:
    found: defaultdict[str, list[tuple[Any, int, bool]]] = defaultdict(list)
    known = STAGES[:3]
    for who, events in journeys(happened, stitched=stitched).items():
        staged = [event for event in events if stage_of(event)]
        left: dict[str, int] = {}
        here = ""
        for stage, group in groupby(staged, key=stage_of):
            at_s = next(group).at_s
            left[here] = at_s
            away_s = at_s - left[stage] if stage in left else -1
            fell_back = {stage, here} <= set(known) and known.index(here) > known.index(stage)
            found[stage].append((who, away_s, fell_back))
            here = stage
    return [_looped(stage, found[stage]) for stage in STAGES if stage in found]


def _looped(stage: str, entries: list[tuple[Any, int, bool]]) -> tuple[Any, ...]:
    people = {who for who, _, _ in entries}
    away = [away_s for _, away_s, _ in entries if away_s >= 0]
    looped = {who for who, away_s, _ in entries if away_s >= 0}
    back = [who for who, _, fell_back in entries if fell_back]
    times = _quantiles(away) if away else (None, None)
    share = len(looped) / len(people)
    return stage, len(people), len(entries), len(looped), len(away), share, *times, len(set(back)), len(back)


def stages_now(happened: list[Happened], now_s: int, *, stitched: bool) -> Rows:
    found = defaultdict(list)
    for events in journeys(happened, stitched=stitched).values():
        staged = [event for event in events if stage_of(event)]
        entries = [(stage, next(group)) for stage, group in groupby(staged, key=stage_of)]
        stage, entered = entries[-1] if entries else ("", events[0])
        found[stage].append(now_s - entered.at_s)
    people = sum(map(len, found.values()))
    return [
        (stage, len(found[stage]), len(found[stage]) / people, *_quantiles(found[stage]))
        for stage in [*STAGES[:3], "", "onboarding"]
        if stage in found
    ]


def deadlines(happened: list[Happened], now_s: int, *, stitched: bool) -> Rows:
    rows = []
    for milestone, (before, began_with, ends_with) in MILESTONES.items():
        counts: Counter[str] = Counter()
        for events in journeys(happened, stitched=stitched).values():
            names = [event.name for event in events]
            if began_with in names:
                first = names.index(began_with)
                counts[_outcome(events, first, ends_with, now_s)] += 1
        people = counts.total()
        if people:
            outcomes = [counts[outcome] for outcome in ("in_time", "late", "waiting", "stuck")]
            rows.append((before, milestone, 60, people, *outcomes, counts["stuck"] / people))
    return rows


def _outcome(events: list[Happened], first: int, ends_with: str, now_s: int) -> str:
    for event in events[first + 1 :]:
        if event.name == ends_with:
            return "in_time" if event.at_s - events[first].at_s <= 60 else "late"
    return "waiting" if now_s - events[first].at_s <= 60 else "stuck"


def handed_over(happened: list[Happened], by: str, *, stitched: bool) -> Rows:
    found = defaultdict(list)
    for who, events in journeys(happened, stitched=stitched).items():
        stages, stage = [], ""
        for event in events:
            stage = stage_of(event) or stage
            stages.append(stage)
        named = [at for at, event in enumerate(events) if place_of(event, by)]
        for at, after in pairwise(named):
            one, other = place_of(events[at], by), place_of(events[after], by)
            if one != other:
                key = (stages[at], stages[after], one, other)
                found[key].append((who, events[after].at_s - events[at].at_s))
    rows = [
        (*key, len({who for who, _ in times}), len(times), *_quantiles([took for _, took in times]))
        for key, times in found.items()
    ]
    return sorted(rows, key=lambda row: (-row[4], -row[5], *row[:4]))


def converted(happened: list[Happened], by: str, from_stage: str, to_stage: str, *, stitched: bool) -> Rows:
    found = defaultdict(list)
    for events in journeys(happened, stitched=stitched).values():
        began = next((at for at, event in enumerate(events) if stage_of(event) == from_stage), None)
        if began is None:
            continue
        ended = next((event for event in events[began + 1 :] if stage_of(event) == to_stage), None)
        key = place_of(events[began], by), place_of(ended, by) if ended else ""
        found[key].append(ended.at_s - events[began].at_s if ended else None)
    began_on: Counter[str] = Counter()
    for key, times in found.items():
        began_on[key[0]] += len(times)
    rows = [
        (*key, len(times), len(times) / began_on[key[0]], *(_quantiles(times) if key[1] else (None, None)))
        for key, times in found.items()
    ]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))


def days(happened: list[Happened], start: dt.date, part_by: str, *, stitched: bool) -> Rows:
    parts = defaultdict(list)
    for event in happened:
        parts[getattr(event, PARTS[part_by]) if part_by else ""].append(event)
    rows: Rows = []
    for part, events in parts.items():
        people = {event.person if stitched else (event.person, event.device) for event in events}
        devices = {(event.person, event.device) for event in events}
        channels = {event.channel for event in events} - {""}
        row = (
            start,
            part,
            len(people),
            len(devices),
            len(channels),
            len(events),
            len(devices) / len(people),
            float(stitched),
        )
        rows.append(row)
    return sorted(rows, key=lambda row: (-row[2], row[1]))


def place_of(event: Happened, by: str) -> str:
    if by == "both":
        return f"{event.device_type} {event.channel}" if event.device_type and event.channel else ""
    return event.channel if by == "channel" else event.device_type


def _quantiles(values: list[Any]) -> tuple[float, float]:
    return quantile(values, 0.5), quantile(values, 0.9)


def _until(town: Town, now_s: int) -> str:
    return (town.start + dt.timedelta(seconds=now_s)).isoformat()


@EXAMPLES
@given(
    happened=towns(moments=14),
    stitched=st.booleans(),
    by=st.sampled_from(["channel", "device", "both"]),
    ends=st.permutations(STAGES).map(lambda stages: stages[:2]),
    breakdown=st.sampled_from(["", *PARTS]),
)
def test_views_say_what_loops_over_the_events_say(
    defined: Engine, happened: list[Happened], by: str, ends: list[str], breakdown: str, *, stitched: bool
) -> None:
    town = settle(defined, happened)
    who = str(int(stitched))
    now_s = 150  # after the last moment, so that some deadlines have passed and some have not
    now = {"until": _until(town, now_s), "stitched": who}
    assert town.ask("stage_transitions", stitched=who) == transitions(happened, stitched=stitched)
    assert town.ask("stage_loops", stitched=who) == loops(happened, stitched=stitched)
    assert town.ask("stage_now", **now) == stages_now(happened, now_s, stitched=stitched)
    assert town.ask("stuck", **now) == deadlines(happened, now_s, stitched=stitched)
    assert town.ask("handovers", by=by, stitched=who) == handed_over(happened, by, stitched=stitched)
    given = {"by": by, "from_stage": ends[0], "to_stage": ends[1]}
    assert town.ask("began_converted", **given, stitched=who) == converted(
        happened, **given, stitched=stitched
    )
    asked = town.ask("people_by_day", breakdown=breakdown, stitched=who)
    assert asked == days(happened, town.start.date(), breakdown, stitched=stitched)
