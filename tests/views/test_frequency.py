"""How often people met something, against contacts told one by one and a cap that is really applied."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.views.towns import Happened, is_called, journeys, quantile, settle, towns

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
        "by": st.sampled_from(["campaign", "source", "offer"]),
        "contacts": st.sampled_from(["", "A,B"]),
        "conversion": st.sampled_from(["", "D", "won"]),
        "to_stage": st.sampled_from(["purchase", "onboarding"]),
        "cap": st.integers(1, 3),
        "cap_s": st.sampled_from([0, 20, 50, 1000]),
        "gap_s": st.sampled_from([0, 10, 20]),
        "stitched": st.booleans(),
        "since_s": st.sampled_from([0, 30]),
    }
)


def expected(
    happened: list[Happened],
    by: str,
    contacts: str,
    conversion: str,
    to_stage: str,
    cap: int,
    cap_s: int,
    gap_s: int,
    since_s: int,
    *,
    stitched: bool,
) -> list[tuple[Any, ...]]:
    found = defaultdict(list)
    for events in journeys(happened, stitched=stitched).values():
        last: dict[str, int] = {}
        times: dict[str, list[tuple[int, bool]]] = defaultdict(list)
        channels: dict[str, set[str]] = defaultdict(set)
        bought = False
        for event in events:
            part = getattr(event, by)
            if is_called(event, conversion) if conversion else event.stage == to_stage:
                bought = True
            elif part and event.at_s >= since_s and (not contacts or event.name in contacts.split(",")):
                if part not in last or event.at_s - last[part] >= gap_s:
                    times[part].append((event.at_s, bought))
                last[part] = event.at_s
                channels[part] |= {event.channel} - {""}
        for part, each in times.items():
            found[part].append((each, _made(each, cap, cap_s), len(channels[part])))
    return sorted((_row(part, people) for part, people in found.items()), key=lambda row: (-row[2], row[0]))


def _made(times: list[tuple[int, bool]], cap: int, cap_s: int) -> list[tuple[int, bool]]:
    """The contacts that a cap lets through, one after the other."""
    made: list[tuple[int, bool]] = []
    for at_s, bought in times:
        if sum(at_s - earlier < cap_s for earlier, _ in made) < cap:
            made.append((at_s, bought))
    return made


def _row(
    part: str, people: list[tuple[list[tuple[int, bool]], list[tuple[int, bool]], int]]
) -> tuple[Any, ...]:
    numbers = [len(times) for times, _, _ in people]
    after = sum(bought for times, _, _ in people for _, bought in times)
    let_through = sum(len(made) for _, made, _ in people)
    useful = sum(not bought for _, made, _ in people for _, bought in made)
    contacts = sum(numbers)
    return (
        part, len(people), contacts, contacts / len(people), quantile(numbers, 0.9), max(numbers),
        sum(number > 1 for number in numbers), sum(channels > 1 for _, _, channels in people), after,
        contacts - let_through, contacts - useful, (contacts - useful) / contacts,
    )  # fmt: skip


@EXAMPLES
@given(happened=towns(people=5, events=100, moments=14), question=QUESTIONS)
def test_contacts_are_those_told_one_by_one(
    marked: Engine, happened: list[Happened], question: dict[str, Any]
) -> None:
    town = settle(marked, happened)
    texts = {name: str(int(value) if isinstance(value, bool) else value) for name, value in question.items()}
    since = (town.start + dt.timedelta(seconds=int(texts.pop("since_s")))).isoformat()
    # Only this town's hour: whoever converted in another one is somebody else.
    assert town.ask("frequency", **texts, since=since) == expected(happened, **question)
