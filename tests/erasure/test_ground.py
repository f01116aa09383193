"""What an erasure that was broken off, or a server that was restarted, could make of the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.engine import EngineUnavailable
from stitchline_collector.erasure.ground import Ground
from stitchline_collector.erasure.places import PLACES, WORKING
from stitchline_collector.erasure.subject import Subject
from stitchline_collector.stitch import Desk
from tests.stitch.stories import event, load, node

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

pytestmark = pytest.mark.shards

DEVICES = [f"device-{number}" for number in range(20)]


@pytest.fixture
def desk(engine: Engine) -> Iterator[Desk]:
    """Somebody's twenty devices; of a cluster on all shards."""
    load(engine, [event(number, device) for number, device in enumerate(DEVICES)])
    with closing(Desk(engine)) as desk:
        yield desk


def ground(desk: Desk) -> Ground:
    known = [("device", device, node(desk.session, "device", device)) for device in DEVICES]
    return Ground(desk.shards, Subject([one for _, _, one in known], known), lambda _, value: value)


def test_everything_of_somebody_is_found_on_each_shard(desk: Desk) -> None:
    look = ground(desk)
    with look.staked():
        found = {place.name: (look.count(place), len(look.read(place))) for place in PLACES}
    assert found["events"] == found["visits"] == (20, 20)


def test_an_erasure_that_was_broken_off_does_not_go_on_with_whom_the_next_export_is_about(desk: Desk) -> None:
    events = next(place for place in PLACES if place.name == "events")
    for session, table in desk.shards.of(events.table):
        for name, columns in WORKING.items():
            session.command(f"CREATE TABLE {name} ({columns}) ENGINE = Memory")
        session.command(f"SYSTEM STOP MERGES {table}")
        session.command(
            f"ALTER TABLE {table} DELETE WHERE {events.condition}", settings={"mutations_sync": 0}
        )
    look = ground(desk)
    with look.staked():
        for session, table in desk.shards.of(events.table):
            session.command(f"SYSTEM START MERGES {table}")
            unfinished = session.query(
                "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"
            )
            assert unfinished == [(0,)]
        assert look.count(events) == 20


def test_what_was_forgotten_in_the_middle_is_not_taken_for_an_answer(desk: Desk) -> None:
    look = ground(desk)
    with pytest.raises(EngineUnavailable, match="restarted meanwhile"), look.staked():
        desk.shards.sessions[-1].command("TRUNCATE TABLE subject_nodes")  # as a restart does
