"""Every table is known to the erasure, so that a new one cannot be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stitchline_collector.cluster import LOCAL
from stitchline_collector.erasure.places import IMPERSONAL, PLACES, WORKING, tables
from stitchline_collector.stitch import Desk
from stitchline_collector.stitch.rebuild import _TABLES

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

pytestmark = pytest.mark.shards

_TELLING = (
    "node",
    "identifiers",
    "device",
    "value",
    "raw",
    "neighbour",
    "person_id",
    "event_id",
    "owners",
    "name",
)


def test_every_table_is_either_emptied_or_tells_of_nobody(engine: Engine) -> None:
    stored = set()
    for number in range(engine.shards):
        session = engine.session(shard=number)
        rows = session.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() "
            "AND engine NOT IN ('View', 'MaterializedView', 'Dictionary', 'Distributed')"
        )
        session.close()
        stored |= {str(name).removesuffix(LOCAL) for (name,) in rows}
    known = {*tables(), *IMPERSONAL}
    unknown = stored - known - set(WORKING) - set(_TABLES)
    assert unknown == set(), "put it into erasure/places.py: into PLACES, or into IMPERSONAL with the reason"
    assert known <= stored


def test_what_tells_of_nobody_has_no_column_that_could(engine: Engine) -> None:
    session = engine.session()
    rows = session.query(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND table IN {tables:Array(String)}",
        {"tables": sorted(IMPERSONAL)},
    )
    session.close()
    assert [(table, name) for table, name in rows if name in _TELLING] == [("migrations", "name")]


def test_a_place_is_named_once_and_its_table_holds_what_it_asks_for(engine: Engine) -> None:
    desk = Desk(engine)
    for name, columns in WORKING.items():
        desk.shards.run(f"CREATE TABLE {name} ({columns}) ENGINE = Memory")
    counted = {
        session.query(f"SELECT count() FROM {table} WHERE {place.condition}")[0][0]
        for place in PLACES
        for session, table in desk.shards.of(place.table)
    }
    desk.close()
    assert len({place.name for place in PLACES}) == len(PLACES)
    assert counted == {0}
