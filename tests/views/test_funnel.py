"""The funnel against one that tries every way through a person's events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.views.towns import Happened, journeys, quantile, settle, towns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stitchline_collector.engine import Engine

STAGES = ["awareness", "consideration", "purchase", "onboarding", "retention", "advocacy"]
EXAMPLES = settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def _ordered(
    events: list[Happened], labels: list[str], steps: list[str], window_s: int, *, strict: bool
) -> tuple[int, ...]:
    """Of all ways: the longest, of those the first to end, of those the one with the latest steps."""
    ways: list[tuple[int, ...]] = [(at,) for at, label in enumerate(labels) if label == steps[0]]
    for way in ways:
        ways += [  # the list grows while it is read: each way is tried with every next step
            (*way, at)
            for at in range(way[-1] + 1, len(events))
            if len(way) < len(steps)
            and labels[at] == steps[len(way)]
            and events[at].at_s - events[way[0]].at_s <= window_s
            and (at == way[-1] + 1 or not strict)
        ]
    return max(ways, key=lambda way: (len(way), -way[-1], way[::-1]), default=())


def _any(events: list[Happened], labels: list[str], steps: list[str], window_s: int) -> tuple[int, ...]:
    """Of all windows that end with an event: the first with most steps, each where it was done last."""
    windows = []
    for end, event in enumerate(events):
        last = {labels[at]: at for at in range(end + 1) if event.at_s - events[at].at_s <= window_s}
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
        events = [event for event in journey if (event.stage if by == "stage" else event.name) in wanted]
        labels = [event.stage if by == "stage" else event.name for event in events]
        if order == "any":
            way = _any(events, labels, wanted, window_s)
        else:
            way = _ordered(events, labels, wanted, window_s, strict=order == "strict")
        if way:
            first = events[way[0]]
            part = {"channel": first.channel, "device": first.device_type}.get(breakdown, "")
            found.setdefault(part, []).append([events[at].at_s for at in way])
    rows = []
    for part, ways in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        rows += _rows(part, ways, wanted, order)
    return rows


def _rows(part: str, ways: Sequence[Sequence[int]], wanted: list[str], order: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    before = len(ways)
    for step in range(len(wanted)):
        reached = [way for way in ways if len(way) > step]
        gaps = [way[step] - way[step - 1] for way in reached] if step else []
        rows.append((
            part, step + 1, f"{step + 1} of {len(wanted)}" if order == "any" else wanted[step], len(reached),
            len(reached) / len(ways), len(reached) / before if before else 0,
            quantile(gaps, 0.5) if gaps else None, quantile(gaps, 0.9) if gaps else None,
        ))  # fmt: skip
        before = len(reached)
    return rows


QUESTIONS = st.fixed_dictionaries(
    {
        "steps": st.lists(st.sampled_from("ABC"), min_size=1, max_size=4),
        "order": st.sampled_from(["ordered", "strict", "any"]),
        "window_s": st.sampled_from([0, 10, 25, 1000]),
        "breakdown": st.sampled_from(["", "channel", "device"]),
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
@given(happened=towns(), question=QUESTIONS, by=st.sampled_from(["event", "stage"]))
@example(
    happened=_TIE,
    question={"steps": ["A", "B"], "order": "ordered", "window_s": 10, "breakdown": "", "stitched": True},
    by="event",
)
def test_a_funnel_is_that_of_every_way_tried(
    engine: Engine, happened: list[Happened], question: dict[str, Any], by: str
) -> None:
    town = settle(engine, happened)
    steps = question["steps"] if by == "event" else STAGES
    given = {
        "by": by,
        "steps": ",".join(steps) if by == "event" else "",
        "order": question["order"],
        "window_s": str(question["window_s"]),
        "breakdown": question["breakdown"],
        "stitched": str(int(question["stitched"])),
    }
    assert town.ask("funnel", **given) == expected(happened, by, **question | {"steps": steps})


def test_equal_times_are_ordered_by_seq(engine: Engine) -> None:
    rows = settle(engine, _TIE).ask("funnel", by="event", steps="A,B")
    assert [(row[2], row[3]) for row in rows] == [("A", 2), ("B", 1)]
