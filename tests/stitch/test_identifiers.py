"""Values that name nobody, in Python and in SQL alike."""

from __future__ import annotations

from stitchline_collector.stitch.identifiers import NEVER, is_identifier
from tests.stitch.stories import event, load, node
from tests.stitch.test_stitcher import stitch


def test_no_such_value_is_a_node_in_any_spelling(engine):
    values = sorted({*NEVER, "NULL", "Guest", "[object Object]", "NaN"})
    load(
        engine,
        [event(i, value, user=value, email=value, loyalty=value) for i, value in enumerate(values)],
    )
    stitch(engine)
    session = engine.session()
    assert session.query("SELECT DISTINCT device_node, person_node FROM events_raw") == [(0, 0)]
    assert session.query("SELECT count() FROM identity_edges") == [(0,)]
    assert not any(map(is_identifier, values))


def test_both_lists_of_such_values_are_the_same(engine):
    text = engine.session().query(
        "SELECT default_expression FROM system.columns WHERE table = 'events_raw' AND database = {d:String}"
        " AND name = 'device_node'",
        {"d": engine.database},
    )[0][0]
    assert {value for value in text.split("'") if value in NEVER or "," not in value} >= NEVER
    assert text.count("'") // 2 == len(NEVER) + len(["device", "\0"])


def test_the_next_best_identifier_decides_where_the_user_is_none(engine):
    load(
        engine,
        [
            event(0, "P", user="null", email="e"),
            event(1, "P", user="A", email="e"),
            event(2, "P", loyalty="l", card="c"),
            event(3, "P", anonymous="x"),
        ],
    )
    session = engine.session()
    rows = session.query("SELECT person_node FROM events_raw ORDER BY occurred_at")
    expected = [node(session, "email", "e"), node(session, "user", "A"), node(session, "card", "c"), 0]
    assert [row[0] for row in rows] == expected
