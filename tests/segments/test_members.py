"""Who is in a segment, against going through everybody's events by hand."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stitchline_collector.cluster import local
from stitchline_collector.journeys import prepare
from stitchline_collector.segments import Segment, members, read
from stitchline_collector.segments.definition import Between, Deed
from stitchline_collector.stitch import Stitcher
from tests.stitch.stories import START, event, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stitchline_collector.engine import Engine

pytestmark = pytest.mark.shards
JOURNEY = """stages = ["look", "buy"]
[[milestones]]
name = "dear"
stage = "buy"
event = "B"
when = "properties.price >= 5"
"""
# Not shrunk: it would take minutes, and a failing town is small.
EXAMPLES = settings(
    max_examples=20,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_towns = itertools.count()


@dataclass(frozen=True)
class Did:
    """One event of a town: people are users with three devices each."""

    person: int
    device: int
    minute: int
    seq: int
    name: str
    stage: str
    channel: str
    price: int
    agrees: bool | None


EVENTS = st.lists(
    st.builds(
        Did,
        person=st.integers(0, 5),
        device=st.integers(0, 2),
        minute=st.integers(0, 9),
        seq=st.integers(0, 3),
        name=st.sampled_from("ABC"),
        stage=st.sampled_from(["", "", "look", "buy", "elsewhere"]),
        channel=st.sampled_from(["", "web", "app", "store"]),
        price=st.integers(0, 9),
        agrees=st.sampled_from([None, None, True, False]),
    ),
    max_size=50,
)
RANGES = st.sampled_from([Between(), Between(2), Between(0, 1), Between(2, 2)])
DEEDS = st.builds(
    Deed,
    event=st.sampled_from(["", "A", "B"]),
    when=st.sampled_from(["properties.price >= 5", "channel = 'web' or not device.type = 'phone'"]),
    within_s=st.sampled_from([0, 60, 240]),
    at_least=st.integers(1, 2),
)
SEGMENTS = st.builds(
    Segment,
    name=st.just("some"),
    stages=st.sampled_from([(), ("look",), ("buy", "elsewhere")]),
    devices=RANGES,
    channels=RANGES,
    did=st.lists(DEEDS, max_size=2).map(tuple),
    did_not=st.lists(DEEDS, max_size=2).map(tuple),
)


def _expected(town: Sequence[tuple[int, Did]], segment: Segment, now: int) -> dict[int, tuple[Any, ...]]:
    found = {}
    for person in {did.person for _, did in town}:
        mine = [
            did
            for _, did in sorted(
                ((did.minute, did.seq, place), did) for place, did in town if did.person == person
            )
        ]
        stages = [did.stage or ("buy" if _is_dear(did) else "") for did in mine]
        stage = next((one for one in reversed(stages) if one), "")
        devices = {did.device for did in mine}
        channels = {did.channel for did in mine if did.channel}
        if (
            (not segment.stages or stage in segment.stages)
            and _lies(len(devices), segment.devices)
            and _lies(len(channels), segment.channels)
            and all(sum(_fits(did, deed, now) for did in mine) >= deed.at_least for deed in segment.did)
            and not any(_fits(did, deed, now) for did in mine for deed in segment.did_not)
        ):
            words = [did.agrees for did in mine if did.agrees is not None]
            last = max(did.minute for did in mine)
            found[person] = (stage, len(devices), sorted(channels), last, bool(words and words[-1]))
    return found


def _is_dear(did: Did) -> bool:
    return did.name == "B" and did.price >= 5


def _lies(number: int, between: Between) -> bool:
    return between.at_least <= number and (between.at_most is None or number <= between.at_most)


def _fits(did: Did, deed: Deed, now: int) -> bool:
    holds = did.price >= 5 if deed.when.startswith("properties") else did.channel == "web" or did.device == 0
    recent = not deed.within_s or did.minute * 60 >= now * 60 - deed.within_s
    return holds and recent and deed.event in ("", did.name)


def _row(town: int, place: int, did: Did) -> dict[str, Any]:
    row = event(
        did.minute,
        f"{town}-{did.person}-{did.device}",
        name=did.name,
        stage=did.stage,
        channel=did.channel,
        device_type="desktop" if did.device == 0 else "phone",
        user=f"{town}-{did.person}",
    )
    return row | {
        "event_id": f"00000000-0000-7000-{town:04x}-{place:012x}",
        "seq": did.seq,
        "properties": {"price": did.price},
        "consent": {} if did.agrees is None else {"marketing": did.agrees, "analytics": True},
    }


def _empty(engine: Engine) -> None:
    """Take all events out: where they lie, because a door to shards has nothing to be emptied of."""
    for number in range(engine.shards):
        session = engine.session(shard=number)
        session.command(f"TRUNCATE TABLE {local('events_raw') if engine.cluster else 'events_raw'}")
        session.close()


@EXAMPLES
@given(town=EVENTS, segment=SEGMENTS)
def test_the_members_are_those_found_by_hand(engine: Engine, town: list[Did], segment: Segment) -> None:
    number = next(_towns)
    prepare(engine, JOURNEY)
    _empty(engine)
    if town:
        load(engine, [_row(number, place, did) for place, did in enumerate(town)])
    stitcher = Stitcher(engine)
    while stitcher.round():
        pass
    stitcher.close()
    session = engine.session()
    names: dict[int, str] = dict(
        session.query("SELECT person_id, any(identifiers['user']) FROM person_events GROUP BY person_id")
    )
    session.close()
    now = 8
    reader = engine.reader()
    rows = members(reader, segment, START + dt.timedelta(minutes=now), 100)
    reader.close()
    found = {
        int(names[int(row["person_id"])].partition("-")[2]): (
            row["stage"],
            row["devices"],
            list(row["channels"]),
            (row["last_seen"] - START).total_seconds() / 60,
            bool(row["agreed"]),
        )
        for row in rows
    }
    assert found == _expected(list(enumerate(town)), segment, now)


def test_people_are_in_a_segment_by_what_they_did_on_all_their_devices(engine: Engine) -> None:
    segment = read("two", "devices.at_least = 2")
    load(engine, [event(0, "web-1"), event(1, "app-1", user="42")])
    reader = engine.reader()
    now = START + dt.timedelta(days=1)
    assert members(reader, segment, now, 10) == []
    load(engine, [event(2, "web-1", type="identify", user="42")])
    stitcher = Stitcher(engine)
    stitcher.round()
    stitcher.close()
    assert [row["devices"] for row in members(reader, segment, now, 10)] == [2]
    reader.close()
