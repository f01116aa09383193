"""One person's events, found fast, are exactly those of `person_events`; also as of a past moment."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import pytest

from stitchline_collector.ask.asked import Asked
from stitchline_collector.ask.changes import changes
from stitchline_collector.ask.nobodys import Nobodys
from stitchline_collector.ask.people import person
from tests.ask.towns import towns
from tests.stitch.stories import event, load, node
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine, Reader

EVERYTHING = 10_000
LATER = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


def rows(reader: Reader, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    return list(reader.query(sql, parameters))


def moment(reader: Reader) -> dt.datetime:
    """ClickHouse's time, by which decisions are dated."""
    found = rows(reader, "SELECT now64(6, 'UTC')")[0][0]
    assert isinstance(found, dt.datetime)
    return found


def somebody_of_each_person(reader: Reader) -> list[tuple[str, str, int]]:
    return [
        (namespace, value, person_id)
        for namespace, value, person_id in rows(
            reader,
            "SELECT any(namespace), any(value), person_id FROM identifiers WHERE person_id != 0 GROUP BY person_id",
        )
    ]


@pytest.mark.parametrize("seed", range(1))
def test_what_a_person_did_is_what_the_view_says(engine: Engine, seed: int) -> None:
    load(engine, towns(seed))
    stitch(engine)
    reader = engine.reader()
    persons = somebody_of_each_person(reader)
    for namespace, value, person_id in random.Random(seed).sample(persons, 20):
        expected = rows(
            reader,
            "SELECT toString(event_id), toString(found_by), device.id, toString(channel), toString(stage) FROM person_events"
            " WHERE person_id = {p:UInt64} ORDER BY occurred_at DESC, seq DESC, UUIDToNum(event_id) DESC",
            p=person_id,
        )
        found = person(reader, Asked(namespace, value, ""), EVERYTHING)
        if found is None:
            assert expected == [], (namespace, value)
            continue
        assert isinstance(found, dict)
        assert [(one["event_id"], one["found_by"]) for one in found["latest"]] == [
            one[:2] for one in expected
        ]
        assert found["events"] == len(expected)
        assert found["channels"] == sorted({one[3] for one in expected} - {""})
        assert {device["id"]: device["events"] for device in found["devices"]} == {
            device: sum(1 for one in expected if one[2] == device)
            for device in {o[2] for o in expected} - {""}
        }
        three = person(reader, Asked(namespace, value, ""), 3)
        assert isinstance(three, dict)
        assert three["latest"] == found["latest"][:3]
    reader.close()


def test_persons_of_a_past_moment_are_those_that_the_view_gave_then(engine: Engine) -> None:
    events = towns(7)
    half = len(events) // 2
    told = "event_id, person_id, found_by, deciding_node"
    load(engine, events[:half])
    stitch(engine)
    reader = engine.reader()
    then = rows(reader, f"SELECT {told} FROM person_events ORDER BY event_id")
    at = moment(reader)
    load(engine, [one | {"received_at": LATER} for one in events[half:]])
    stitch(engine)
    asof = f"SELECT {told} FROM person_events_asof(at = {{at:String}}) ORDER BY event_id"
    assert rows(reader, asof, at=at.isoformat(" ")) == then
    now = rows(reader, f"SELECT {told} FROM person_events ORDER BY event_id")
    assert rows(reader, asof, at="2100-01-01") == now
    assert [row for row in now if row in then] != then
    described = [
        rows(reader, f"DESCRIBE (SELECT * FROM {view})")
        for view in ("person_events_asof(at = '2026-11-01')", "person_events")
    ]
    assert described[0] == described[1]
    reader.close()


def test_a_persons_journey_of_then_is_what_the_view_gave_then_and_the_changes_are_the_difference(
    engine: Engine,
) -> None:
    events = towns(11, count=3)
    half = len(events) // 2
    by_person = "SELECT toString(event_id) FROM person_events WHERE person_id = {p:UInt64}"
    load(engine, events[:half])
    stitch(engine)
    reader = engine.reader()
    persons = somebody_of_each_person(reader)
    then = {one[:2]: {row[0] for row in rows(reader, by_person, p=one[2])} for one in persons}
    at = moment(reader)
    load(engine, [one | {"received_at": LATER} for one in events[half:]])
    stitch(engine)
    late = {one["event_id"] for one in events[half:]}
    for namespace, value, _ in random.Random(1).sample(persons, 12):
        who = Asked(namespace, value, "")
        found = person(reader, who, EVERYTHING, at)
        before = then[namespace, value]
        assert (
            {one["event_id"] for one in found["latest"]} == before if isinstance(found, dict) else not before
        )
        current = person(reader, who, EVERYTHING)
        after = {one["event_id"] for one in current["latest"]} if isinstance(current, dict) else set()
        expected = {(one, "left") for one in before - after}
        expected |= {(one, "arrived" if one in late else "came") for one in after - before}
        told = changes(reader, who, at, EVERYTHING)["changes"]
        assert {(one["event_id"], one["change"]) for one in told} == expected, who
    reader.close()


def test_the_sorting_key_finds_a_persons_events(engine: Engine) -> None:
    load(engine, [event(day * 1440, f"d{device}") for day in range(3) for device in range(9000)])
    reader = engine.reader()
    plan = rows(
        reader,
        "EXPLAIN indexes = 1 SELECT count() FROM person_events_by_device WHERE person_id = 1 AND (toYYYYMMDD(device_time),"
        " device_id) IN (SELECT day, device_id FROM identity_whereabouts WHERE node = {n:UInt64} AND NOT is_near)",
        n=node(engine.session(), "device", "d7"),
    )
    text = "\n".join(line for (line,) in plan)
    assert "device.id) in 3-element set" in text
    assert "FINAL" in text
    reader.close()


def test_a_shared_device_belongs_to_nobody_and_says_who_used_it(engine: Engine) -> None:
    load(engine, [event(0, "T", type="identify", user="A"), event(9, "T", type="identify", user="B")])
    stitch(engine)
    reader = engine.reader()
    assert person(reader, Asked("device", "T", "device:T")) == Nobodys(
        "device:T is a shared device: it belongs to nobody; what is done on it belongs to whoever signs in",
        "ask for one of the people who signed in: user:B, user:A",
    )
    reader.close()


def test_a_hub_and_a_kiosk_belong_to_nobody(engine: Engine) -> None:
    load(
        engine,
        [event(n, f"d{n}", email="shop") for n in range(12)]
        + [event(0, "K", device_type="kiosk", email="e")],
    )
    stitch(engine)
    reader = engine.reader()
    hub, kiosk = (person(reader, Asked(*who, ":".join(who))) for who in (("email", "shop"), ("device", "K")))
    assert isinstance(hub, Nobodys)
    assert "email:shop belongs to nobody: it was seen with 12 other identifiers" in hub.error
    assert isinstance(kiosk, Nobodys)
    assert "nobody has signed in on it so far" in kiosk.hint
    assert rows(reader, "SELECT count() FROM people WHERE person_id = 0") == [(0,)]
    assert rows(reader, "SELECT value FROM identifiers WHERE person_id = 0 ORDER BY value") == [
        ("K",),
        ("shop",),
    ]
    reader.close()


def test_an_id_that_was_merged_away_still_tells_the_person(engine: Engine) -> None:
    load(engine, [event(0, "P"), event(1, "P", user="A")])
    stitch(engine)
    reader, session = engine.reader(), engine.session()
    found = person(reader, Asked("person", str(node(session, "device", "P")), ""))
    assert isinstance(found, dict)
    assert found["person_id"] == str(node(session, "user", "A"))
    assert found["events"] == 2
    reader.close()


def test_a_session_that_crosses_midnight_is_told_whole(engine: Engine) -> None:
    late = 13 * 60 + 59  # the story begins at 10:00
    load(
        engine,
        [
            event(0, "T", user="B", session="s0"),
            event(late, "T", session="s1", name="before"),
            event(late + 1, "T", type="identify", user="A", session="s1", name="sign_in"),
            event(late + 2 * 60, "T", session="s1", name="after"),
        ],
    )
    stitch(engine)
    reader = engine.reader()
    found = person(reader, Asked("user", "A", ""))
    assert isinstance(found, dict)
    assert [one["name"] for one in found["latest"]] == ["after", "sign_in", "before"]
    reader.close()


def test_more_events_than_one_statement_tells_are_all_told_newest_first(engine: Engine) -> None:
    load(engine, [event(minute, "P", name=f"n{minute}") for minute in range(1100)])
    reader = engine.reader()
    found = person(reader, Asked("device", "P", ""), EVERYTHING)
    assert isinstance(found, dict)
    assert [one["name"] for one in found["latest"]] == [f"n{minute}" for minute in reversed(range(1100))]
    reader.close()
