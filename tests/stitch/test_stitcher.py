"""What stitching makes of events, on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stitchline_collector.stitch import DEFAULT_RULES, IdentityRules, Stitcher
from tests.stitch.stories import event, groups, load, node

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine


def stitch(engine: Engine, rules: IdentityRules = DEFAULT_RULES) -> Stitcher:
    stitcher = Stitcher(engine, rules)
    while stitcher.round():
        pass
    stitcher.close()
    return stitcher


def test_a_login_on_two_devices_makes_them_one_person_with_what_they_did_before(engine: Engine) -> None:
    load(engine, [event(0, "P"), event(1, "P", user="A"), event(2, "L"), event(3, "L", user="A")])
    stitch(engine)
    session = engine.session()
    persons = session.query("SELECT DISTINCT person_id FROM person_events")
    assert persons == [(node(session, "user", "A"),)]
    assert groups(engine) == {frozenset({"user:A", "device:P", "device:L"})}


def test_a_device_with_two_users_is_a_place_that_joins_nobody(engine: Engine) -> None:
    load(engine, [event(0, "P", user="A"), event(1, "L", user="A")])
    stitch(engine)
    load(engine, [event(2, "L", user="B"), event(3, "L")])
    stitch(engine)
    assert groups(engine) == {
        frozenset({"user:A", "device:P"}),
        frozenset({"user:B"}),
        frozenset({"device:L"}),
    }
    session = engine.session()
    assert session.query("SELECT DISTINCT rule FROM identity_quarantine") == [("shared_device",)]
    # A's event on the shared device stays A's, because the event itself says so.
    assert session.query(
        "SELECT count() FROM person_events WHERE device.id = 'L' AND person_id = {a:UInt64}",
        {"a": node(session, "user", "A")},
    ) == [(1,)]


def test_an_email_typed_on_two_phones_makes_them_one_person(engine: Engine) -> None:
    load(engine, [event(0, "P", email="e1"), event(1, "Q", email="e1")])
    stitch(engine)
    assert groups(engine) == {frozenset({"email:e1", "device:P", "device:Q"})}
    session = engine.session()
    assert session.query("SELECT DISTINCT person_id FROM person_events") == [(node(session, "email", "e1"),)]


def test_a_forwarded_link_leaves_its_owner_the_address(engine: Engine) -> None:
    load(
        engine,
        [
            event(0, "P", user="A"),
            event(1, "L", type="identify", user="B", email="b"),
            event(2, "P", type="link", user="A", linked={"email": "b"}),
        ],
    )
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "device:P"}), frozenset({"user:B", "email:b", "device:L"})}
    assert engine.session().query("SELECT kind, rule FROM identity_quarantine") == [("link", "two_users")]


def test_a_link_joins_the_devices_on_its_two_sides(engine: Engine) -> None:
    load(engine, [event(0, "P", type="link", linked={"device": "Q"}), event(1, "Q", user="A")])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "device:P", "device:Q"})}


def test_a_kiosk_joins_nobody_even_before_two_people_signed_in(engine: Engine) -> None:
    load(
        engine, [event(0, "K", device_type="kiosk", user="A"), event(1, "K", device_type="kiosk", email="e")]
    )
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A"}), frozenset({"email:e"}), frozenset({"device:K"})}


def test_a_device_that_turns_out_to_be_a_kiosk_leaves_its_person(engine: Engine) -> None:
    load(engine, [event(0, "K", user="A"), event(1, "P", user="A")])
    stitch(engine)
    load(engine, [event(2, "K", device_type="kiosk", user="A")])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "device:P"}), frozenset({"device:K"})}


def test_earlier_evidence_that_comes_late_decides_as_if_it_had_come_in_time(engine: Engine) -> None:
    load(engine, [event(10, user="A", email="e"), event(20, user="B", email="e")])
    stitch(engine)
    assert frozenset({"user:A", "email:e"}) in groups(engine)
    load(engine, [event(5, user="B", email="e")])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:B", "email:e"}), frozenset({"user:A"})}


def test_a_stitched_event_without_identifiers_belongs_to_nobody(engine: Engine) -> None:
    load(engine, [event(0)])
    stitch(engine)
    session = engine.session()
    assert session.query("SELECT person_id FROM person_events") == [(0,)]
    assert session.query("SELECT count() FROM people") == [(0,)]


def test_an_idle_round_finds_nothing_and_says_so(engine: Engine) -> None:
    stitcher = Stitcher(engine)
    assert stitcher.round() is False
    assert stitcher.progress.rounds == 0
    stitcher.close()


def test_a_person_shows_what_is_known_of_them(engine: Engine) -> None:
    load(
        engine,
        [
            event(0, "P", channel="web", stage="aware"),
            event(1, "P", user="A", stage="buy"),
            event(2, "L", user="A"),
        ],
    )
    stitch(engine)
    session = engine.session()
    rows = session.query("SELECT events, devices, channels, stage, identifiers FROM people")
    assert rows == [(3, 2, ["app", "web"], "buy", ["user:A"])]


def test_changes_of_person_are_logged_with_what_was_before(engine: Engine) -> None:
    load(engine, [event(0, "P", email="e")])
    stitch(engine)
    load(engine, [event(1, "P", user="A")])
    stitch(engine)
    session = engine.session()
    rows = session.query(
        "SELECT previous_person_id, person_id FROM identity_log WHERE node = {p:UInt64} ORDER BY known_from",
        {"p": node(session, "device", "P")},
    )
    email, user = node(session, "email", "e"), node(session, "user", "A")
    assert rows == [(node(session, "device", "P"), email), (email, user)]
