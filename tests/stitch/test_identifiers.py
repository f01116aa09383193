"""Values that name nobody, in Python and in SQL alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stitchline_collector.sql_files import files
from stitchline_collector.stitch.identifiers import NEVER, is_identifier
from tests.stitch.stories import event, load, node
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine


def test_no_such_value_is_a_node_in_any_spelling(engine: Engine) -> None:
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


def test_the_lists_in_sql_are_the_list_in_python() -> None:
    (file,) = [file for file in files("migrations") if file.name == "0010_never_identifiers.sql"]
    lists = re.findall(r"NOT IN \(\s*('',[^)]*)\)", file.read_text(encoding="utf-8"))
    assert len(lists) == 3
    for values in lists:
        assert sorted(re.findall(r"'([^']*)'", values)) == sorted(NEVER)


def test_an_event_without_a_device_belongs_to_its_anonymous_id(engine: Engine) -> None:
    load(engine, [event(0, anonymous="x"), event(1, "P", anonymous="x"), event(2, "null", anonymous="x")])
    session = engine.session()
    rows = session.query("SELECT device_node FROM events_raw ORDER BY occurred_at")
    anonymous = node(session, "anonymous", "x")
    assert [row[0] for row in rows] == [anonymous, node(session, "device", "P"), anonymous]


def test_the_next_best_identifier_decides_where_the_user_is_none(engine: Engine) -> None:
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
