"""The examples by which stitching is explained (docs/identity.md), on both engines."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from stitchline_collector.stitch import IdentityRules, Stitcher
from tests.stitch.stories import event, groups, load, state
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine


def whose(engine: Engine) -> dict[str, list[str]]:
    """By the name of each event, in order: the identifier that names its person; `nobody` for one of nobody's sessions."""
    session = engine.session()
    rows = session.query(
        "SELECT name, groupArray(who) FROM (SELECT person_events.name AS name,"
        " multiIf(found_by = 'nobody', 'nobody', person_id = 0, 'none', coalesce("
        " nullIf(concat(identifiers.namespace, ':', identifiers.value), ':'), 'alone')) AS who"
        " FROM person_events LEFT JOIN identifiers ON identifiers.node = person_events.person_id"
        " ORDER BY occurred_at, seq) GROUP BY name"
    )
    session.close()
    return {name: list(found) for name, found in rows}


def test_what_somebody_did_on_two_devices_before_signing_in_is_theirs(engine: Engine) -> None:
    load(engine, [event(0, "P"), event(1, "L"), event(2, "P", user="A"), event(3, "L", user="A")])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "device:P", "device:L"})}
    assert whose(engine) == {"product_viewed": ["user:A"] * 4}


def shared_laptop() -> list[dict[str, Any]]:
    """A and B sign in on one laptop, in sessions of their own."""
    return [
        event(0, "P", user="A", name="own_phone"),
        event(1, "L", user="A", session="s1", name="order"),
        event(10, "L", session="s2", name="before_login"),
        event(11, "L", user="B", session="s2", type="identify", name="login"),
        event(12, "L", session="s2", name="after_login"),
        event(13, "L", session="s2", type="logout", name="logout"),
        event(14, "L", session="s2", name="after_logout"),
        event(20, "L", session="s3", name="passing_by"),
    ]


def test_a_device_on_which_two_people_sign_in_is_shared(engine: Engine) -> None:
    load(engine, shared_laptop())
    stitch(engine)
    assert groups(engine) == {
        frozenset({"user:A", "device:P"}),
        frozenset({"user:B"}),
        frozenset({"device:L"}),
    }


def test_sessions_on_a_shared_device_belong_to_who_signs_in_in_them(engine: Engine) -> None:
    events = shared_laptop()
    # The first half is decided before anybody knows that the laptop is shared.
    load(engine, events[:2])
    stitch(engine)
    load(engine, events[2:])
    stitch(engine)
    assert whose(engine) == {
        "own_phone": ["user:A"],
        "order": ["user:A"],  # signed in: still A's, though B came later
        "before_login": ["user:B"],
        "login": ["user:B"],
        "after_login": ["user:B"],
        "logout": ["user:B"],
        "after_logout": ["nobody"],
        "passing_by": ["nobody"],
    }


def test_sessions_that_nobody_owns_are_people_of_their_own(engine: Engine) -> None:
    load(engine, shared_laptop())
    stitch(engine)
    session = engine.session()
    rows = session.query(
        "SELECT uniqExact(person_id) FROM person_events WHERE name IN ('after_logout', 'passing_by')"
    )
    assert rows == [(2,)]


def test_one_email_typed_on_two_phones_is_one_person(engine: Engine) -> None:
    load(engine, [event(0, "P", email="e"), event(1, "Q", email="e")])
    stitch(engine)
    assert groups(engine) == {frozenset({"email:e", "device:P", "device:Q"})}


def test_a_partners_email_typed_at_the_checkout_is_quarantined_and_the_order_is_still_ones_own(
    engine: Engine,
) -> None:
    load(
        engine,
        [
            event(0, "P", type="identify", user="A", email="a"),
            event(1, "Q", type="identify", user="B", email="b"),
            event(2, "P", user="A", email="b", name="order"),
        ],
    )
    stitch(engine)
    assert groups(engine) == {
        frozenset({"user:A", "email:a", "device:P"}),
        frozenset({"user:B", "email:b", "device:Q"}),
    }
    assert whose(engine)["order"] == ["user:A"]


def test_an_unknown_partners_email_typed_at_the_checkout_brings_no_second_email(engine: Engine) -> None:
    load(engine, [event(0, "P", type="identify", user="A", email="a"), event(1, "P", user="A", email="b")])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "email:a", "device:P"}), frozenset({"email:b"})}
    rules = engine.session().query("SELECT DISTINCT rule FROM identity_quarantine")
    assert rules == [("second_email",)]


def test_a_forwarded_link_opened_by_somebody_signed_in_joins_nobody(engine: Engine) -> None:
    load(
        engine,
        [
            event(0, "Q", type="identify", user="B", email="b"),
            event(1, "P", user="A"),
            event(2, "P", type="link", user="A", linked={"email": "b"}),
        ],
    )
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "device:P"}), frozenset({"user:B", "email:b", "device:Q"})}


def test_five_people_who_type_emails_on_a_kiosk_are_five_people(engine: Engine) -> None:
    load(
        engine,
        [
            happened
            for n in range(5)
            for happened in (
                event(10 * n, "K", device_type="kiosk", session=f"s{n}", name=f"browse{n}"),
                event(10 * n + 1, "K", device_type="kiosk", session=f"s{n}", email=f"e{n}", name=f"typed{n}"),
            )
        ],
    )
    stitch(engine)
    assert groups(engine) == {frozenset({f"email:e{n}"}) for n in range(5)} | {frozenset({"device:K"})}
    # Who types an address owns what was done in the session before.
    assert whose(engine)["browse3"] == ["email:e3"]


def test_a_kiosk_session_in_which_nobody_says_who_they_are_is_nobodys(engine: Engine) -> None:
    load(engine, [event(0, "K", device_type="kiosk", session="s")])
    stitch(engine)
    assert whose(engine) == {"product_viewed": ["nobody"]}


def test_a_shops_own_address_typed_by_many_bridges_nobody(engine: Engine) -> None:
    load(engine, [event(n, f"P{n}", email="shop", name="checkout") for n in range(30)])
    stitch(engine)
    assert groups(engine) == {frozenset({f"device:P{n}"}) for n in range(30)} | {frozenset({"email:shop"})}
    session = engine.session()
    # What was ordered with it is the devices', not one person's.
    assert session.query("SELECT uniqExact(person_id), any(found_by) FROM person_events") == [(30, "device")]


def test_a_user_that_a_program_calls_null_is_nobody(engine: Engine) -> None:
    load(engine, [event(0, "P", user="null"), event(1, "Q", user="null"), event(2, "R", user="0")])
    stitch(engine)
    assert groups(engine) == set()
    assert engine.session().query("SELECT uniqExact(person_id) FROM person_events") == [(3,)]


def test_what_an_operator_blocks_joins_nobody(engine: Engine) -> None:
    load(engine, [event(0, "P", user="n/a"), event(1, "Q", user="n/a"), event(2, "P", loyalty="9")])
    stitch(engine, IdentityRules(blocked=("n/a",)))
    assert frozenset({"device:P", "loyalty:9"}) in groups(engine)
    assert engine.session().query("SELECT uniqExact(person_id) FROM person_events") == [(2,)]


def test_blocking_a_value_later_takes_effect_with_a_rebuild(engine: Engine) -> None:
    load(engine, [event(0, "P", loyalty="demo"), event(1, "Q", loyalty="demo")])
    stitch(engine)
    assert len(groups(engine)) == 1
    rules = IdentityRules(blocked=("loyalty:demo",))
    stitch(engine, rules)
    assert len(groups(engine)) == 1, "rounds keep the rules in force"
    stitcher = Stitcher(engine, rules)
    stitcher.rebuild()
    stitcher.close()
    assert engine.session().query("SELECT uniqExact(person_id) FROM person_events") == [(2,)]


def test_who_takes_over_goes_by_the_rules_of_the_last_rebuild(engine: Engine) -> None:
    load(engine, [event(0, "P", loyalty="demo")])
    waiting = Stitcher(engine)
    waiting.round()
    stitcher = Stitcher(engine, IdentityRules(blocked=("loyalty:demo",)))
    if not engine.embedded:
        waiting.close()
        assert not waiting.progress.standby
    stitcher.rebuild()
    stitcher.close()
    load(engine, [event(1, "Q", loyalty="demo")])
    taking_over = Stitcher(engine)
    while taking_over.round():
        pass
    taking_over.close()
    waiting.close()
    assert engine.session().query("SELECT uniqExact(person_id) FROM person_events") == [(2,)]


def test_an_unlinked_device_leaves_and_a_later_login_brings_it_back(engine: Engine) -> None:
    load(
        engine,
        [
            event(0, "P", type="identify", user="A", email="a"),
            event(1, "P", email="a"),
            event(2, "L", user="A"),
        ],
    )
    stitch(engine)
    assert len(groups(engine)) == 1
    load(engine, [event(10, type="unlink", user="A", linked={"device": "P"})])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "email:a", "device:L"}), frozenset({"device:P"})}
    load(engine, [event(1000, "P", user="A")])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "email:a", "device:L", "device:P"})}


def test_a_withdrawn_unlink_leaves_everything_as_it_was(engine: Engine) -> None:
    load(engine, [event(0, "P", user="A"), event(1, "L", user="A")])
    stitch(engine)
    before = state(engine)
    load(engine, [event(10, type="unlink", name="unlink", user="A", linked={"device": "P"})])
    stitch(engine)
    assert state(engine)["map"] != before["map"]
    load(engine, [event(11, type="unlink", name="relink", user="A", linked={"device": "P"})])
    stitch(engine)
    after = state(engine)
    assert {name: after[name] for name in ("map", "quarantine")} == {
        name: before[name] for name in ("map", "quarantine")
    }


def test_two_accounts_are_one_person_only_by_the_word_of_a_server(engine: Engine) -> None:
    load(
        engine,
        [
            event(0, "P", user="A"),
            event(1, "Q", user="B"),
            event(2, type="link", user="A", linked={"user": "B"}),
        ],
    )
    stitch(engine)
    assert len(groups(engine)) == 2
    load(engine, [event(3, type="link", user="A", linked={"user": "B"}, by_server=True)])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "user:B", "device:P", "device:Q"})}


def test_a_laptop_of_two_accounts_is_somebodys_again_when_they_are_merged(engine: Engine) -> None:
    load(engine, [event(0, "L", user="A"), event(1, "L", user="B"), event(2, "L", loyalty="7")])
    stitch(engine)
    assert frozenset({"device:L"}) in groups(engine)
    load(engine, [event(3, type="link", user="A", linked={"user": "B"}, by_server=True)])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "user:B", "device:L", "loyalty:7"})}
    load(engine, [event(9, type="unlink", user="A", linked={"user": "B"})])
    stitch(engine)
    assert groups(engine) == {frozenset({f"{one}"}) for one in ("user:A", "user:B", "device:L", "loyalty:7")}


def test_old_ids_stay_valid_as_aliases(engine: Engine) -> None:
    load(engine, [event(0, "P", email="e")])
    stitch(engine)
    session = engine.session()
    (before,) = session.query("SELECT DISTINCT person_id FROM person_events")[0]
    load(engine, [event(1, "P", user="A")])
    stitch(engine)
    rows = session.query(
        "SELECT (SELECT DISTINCT person_id FROM person_events), "
        "(SELECT person_id FROM identity_map WHERE node = {before:UInt64})",
        {"before": before},
    )
    assert rows[0][0] == rows[0][1] != before


def test_the_same_events_in_any_order_and_twice_are_the_same_people(engine: Engine) -> None:
    events = shared_laptop() * 2
    random.Random(3).shuffle(events)
    for start in range(0, len(events), 3):
        load(engine, events[start : start + 3])
        stitch(engine)
    assert groups(engine) == {
        frozenset({"user:A", "device:P"}),
        frozenset({"user:B"}),
        frozenset({"device:L"}),
    }
    assert whose(engine)["before_login"] == ["user:B"]


def test_what_only_a_logout_says_of_a_device_counts_alike_in_one_batch_and_in_two(engine: Engine) -> None:
    signed_in = event(0, "K", user="A")
    logout = event(1, "K", type="logout", device_type="kiosk")
    load(engine, [signed_in, logout])
    load(engine, [event(0, "P", user="B")])
    stitch(engine)
    load(engine, [event(1, "P", type="logout", device_type="kiosk")])
    stitch(engine)
    assert groups(engine) == {frozenset({"user:A", "device:K"}), frozenset({"user:B", "device:P"})}


def test_an_identifier_that_only_unlinks_name_is_known_since_the_first_of_them(engine: Engine) -> None:
    said = [event(minute, "P", type="unlink", linked={"email": "b"}) for minute in (3, 1, 2)]
    load(engine, said)
    stitch(engine)
    nodes = state(engine)["nodes"]
    assert {first_seen for *_, first_seen in nodes} == {said[1]["occurred_at"]}
