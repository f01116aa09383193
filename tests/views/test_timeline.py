"""One person's timeline, against the events of a town that is really stitched."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stitchline_collector.ask.views import asked
from stitchline_collector.stitch import Stitcher
from tests.stitch.stories import event, load
from tests.views.towns import Happened, settle, towns

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

# Not shrunk: it would take minutes, and a failing town is small.
EXAMPLES = settings(
    max_examples=6,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
OCCURRED_AT, SEQ, EVENT_ID, DEVICE, FOUND_BY, DECIDED_BY, JOINED_AT, EVIDENCE = 0, 1, 2, 6, 12, 13, 14, 15


def stitch(engine: Engine) -> None:
    stitcher = Stitcher(engine)
    while stitcher.round():
        pass
    stitcher.close()


def told(engine: Engine, **given: str) -> list[tuple[Any, ...]]:
    reader = engine.reader()
    try:
        return list(reader.query(*asked("timeline", given)))
    finally:
        reader.close()


def person_of(engine: Engine, user: str) -> str:
    reader = engine.reader()
    try:
        found = reader.query(
            "SELECT any(person_id) FROM person_events WHERE person_node = sipHash64('user', '\\0', {user:String})",
            {"user": user},
        )
    finally:
        reader.close()
    return str(found[0][0])


@EXAMPLES
@given(happened=towns(people=4, events=40), strangers=st.sets(st.integers(0, 39), max_size=30))
def test_a_timeline_holds_what_a_person_did_and_why_each_device_is_theirs(
    engine: Engine, happened: list[Happened], strangers: set[int]
) -> None:
    happened = [replace(one, signed_in=one.made not in strangers) for one in happened]
    town = settle(engine, happened)
    stitch(engine)
    hour = round((town.start - dt.datetime(2022, 1, 3, tzinfo=dt.UTC)) / dt.timedelta(hours=1))
    known: dict[str, dt.datetime] = {}  # when each device was first signed in
    for one in sorted((one for one in happened if one.signed_in), key=lambda one: -one.at_s):
        known[f"{hour}-{one.person}-{one.device}"] = town.start + dt.timedelta(seconds=one.at_s)

    for person in range(4):
        user = f"{hour}-{person}"
        mine = sorted((one for one in happened if one.person == person), key=lambda one: one.order)
        rows = town.ask("timeline", value=user)
        expected = [one for one in mine if f"{user}-{one.device}" in known]
        assert [
            (row[OCCURRED_AT], row[SEQ], row[EVENT_ID].int & 0xFFFFFFFF, row[DEVICE]) for row in rows
        ] == [
            (town.start + dt.timedelta(seconds=one.at_s), one.seq, one.made, f"{user}-{one.device}")
            for one in expected
        ]
        for row, one in zip(rows, expected, strict=True):
            said = ("identifier", f"user:{user}") if one.signed_in else ("device", f"device:{row[DEVICE]}")
            assert (row[FOUND_BY], row[DECIDED_BY]) == said
            assert row[JOINED_AT] is not None
            evidence = [found[:3] for found in row[EVIDENCE]]
            assert evidence == [(known[row[DEVICE]], "login", f"user:{user}")]
        if rows and person == 0:  # one is enough: from the identifier on, all go the same way
            assert told(engine, person=person_of(engine, user)) == rows
        said_so = [one.made for one in mine if one.signed_in]
        unstitched = town.ask("timeline", value=user, stitched="0")
        assert [row[EVENT_ID].int & 0xFFFFFFFF for row in unstitched] == said_so

        for device in {one.device for one in mine}:
            name = f"{user}-{device}"
            asked_by_device = town.ask("timeline", namespace="device", value=name)
            alone = [one.made for one in mine if one.device == device]
            if name in known:
                assert asked_by_device == rows
            else:
                assert [row[EVENT_ID].int & 0xFFFFFFFF for row in asked_by_device] == alone
                assert {(row[JOINED_AT], len(row[EVIDENCE])) for row in asked_by_device} == {(None, 0)}
            unstitched = town.ask("timeline", namespace="device", value=name, stitched="0")
            assert [row[EVENT_ID].int & 0xFFFFFFFF for row in unstitched] == alone


def test_a_session_on_a_kiosk_is_in_the_timeline_of_who_signed_in_there(engine: Engine) -> None:
    kiosk: dict[str, Any] = {"device_type": "kiosk", "session": "s-1"}
    load(
        engine,
        [
            event(0, "phone", anonymous="a"),
            event(1, "phone", user="u"),
            event(2, "kiosk", user="u", **kiosk),
            event(3, "kiosk", **kiosk),
            event(4, "kiosk", device_type="kiosk", session="s-2"),
            event(5, "tablet", user="other"),
        ],
    )
    stitch(engine)
    rows = told(engine, value="u")
    assert [(row[DEVICE], row[FOUND_BY], row[DECIDED_BY]) for row in rows] == [
        ("phone", "device", "device:phone"),
        ("phone", "identifier", "user:u"),
        ("kiosk", "identifier", "user:u"),
        ("kiosk", "session", "user:u"),
    ]
    assert [[found[2] for found in row[EVIDENCE]] for row in rows] == [["anonymous:a", "user:u"]] * 2 + [
        []
    ] * 2
    assert told(engine, person=person_of(engine, "u")) == rows
    assert len(told(engine, namespace="device", value="kiosk", stitched="0")) == 3
    assert told(engine, namespace="device", value="kiosk") == []
    assert told(engine, value="nobody") == []
