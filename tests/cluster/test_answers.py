"""Two shards give the same answers as one engine: every view is asked about one town on both."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from stitchline_collector import migrate
from stitchline_collector.ask.questions import views
from stitchline_collector.ask.views import asked
from stitchline_collector.cluster import LOCAL
from stitchline_collector.engine import Engine
from stitchline_collector.journeys import prepare
from stitchline_collector.journeys.past import has_past
from stitchline_collector.stitch import Stitcher
from tests.ask.towns import towns
from tests.clickhouse_cluster import ClickHouseCluster
from tests.databases import drop, new_name
from tests.stitch.stories import event, load, state

# When a decision fell, and which of several samples was kept, is not part of the answer.
_INCIDENTAL = {
    "known_from",
    "version",
    "device_joined_at",
    "device_evidence",
    "applied_at",
    "defined_at",
    "first_refused",
    "last_refused",
}
_JOURNEY = """
stages = ["awareness", "consideration", "purchase"]

[[milestones]]
name = "looked"
stage = "awareness"
event = "A"

[[milestones]]
name = "bought"
stage = "purchase"
event = "D"
when = "properties.total > 5"
within = "2 hours"
"""
_ASKED = {
    **{key: {"by": "event", "steps": "A,B,C,D,A,B,C"} for key in ("funnel", "funnel_ways", "funnel_exits")},
    "timeline": {"value": "A1"},
    "attribution": {"conversion": "D"},
    "attribution_paths": {"conversion": "D"},
    "frequency": {"conversion": "D"},
    # Time goes on between two questions of how long ago something was.
    **{key: {"until": "2026-04-01"} for key in ("stage_now", "stuck")},
}


def everything(seed: int = 11) -> list[dict[str, Any]]:
    """Shared devices, kiosks, hubs and words taken back; and people who come through campaigns, with and without a device."""
    luck = random.Random(seed)
    events = towns(seed)
    for number in range(400):
        person, device = luck.randrange(20), luck.choice(["", "phone", "laptop"])
        happened = event(
            luck.randrange(3 * 24 * 60),
            f"{device}-{person}" if device else "",
            name=luck.choice("ABCD"),
            channel=luck.choice(["web", "app", "store"]),
            stage=luck.choice(["", "awareness", "consideration", "purchase"]),
            session=luck.choice(["", "s"]),
        )
        signed_in = luck.random() < 0.6
        happened["identifiers"] = (
            {"user": f"person{person}"} if signed_in else {"anonymous": f"cookie{person}"}
        )
        happened["campaign"] = {
            "source": luck.choice(["", "newsletter", "search"]),
            "name": luck.choice("xy"),
        }
        happened["geo"] = {"country": luck.choice(["GB", "DE", ""])}
        happened["properties"] = {"total": number}
        events.append(happened)
    events.append(event(1, "a-phone", user="null"))
    return events


@pytest.fixture(scope="module")
def pair(clickhouse_cluster: ClickHouseCluster, embedded_folder: str) -> Iterator[tuple[Engine, Engine]]:
    """The same events, some of them twice, in one engine and on two shards; stitched."""
    happened = everything()
    with (
        Engine.open(f"chdb://{embedded_folder}", database=new_name()) as one,
        Engine.open(clickhouse_cluster.dsn(), database=new_name()) as two,
    ):
        for engine in (one, two):
            migrate.apply(engine)
            prepare(engine, _JOURNEY)
            load(engine, happened)
            load(engine, happened[::3])  # retries
            stitcher = Stitcher(engine)
            while stitcher.round():
                pass
            stitcher.close()
        yield one, two
        drop(one)
        drop(two)


def rows(engine: Engine, sql: str, given: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """The rows of an answer, in order, without what is incidental."""
    reader = engine.reader()
    try:
        found = reader.query(sql, given)
        kept = [place for place, column in enumerate(found.columns) if column not in _INCIDENTAL]
        return sorted((tuple(_comparable(row[place]) for place in kept) for row in found), key=repr)
    finally:
        reader.close()


def _comparable(value: Any) -> Any:
    """Sums of fractions depend on their order in the last digits."""
    if isinstance(value, (list, tuple)):
        return tuple(_comparable(one) for one in value)
    return round(value, 9) if isinstance(value, float) else value


@pytest.mark.parametrize("name", sorted(views()))
@pytest.mark.parametrize("stitched", ["1", "0"])
def test_a_question_of_analysts_has_one_answer(pair: tuple[Engine, Engine], name: str, stitched: str) -> None:
    given = dict(_ASKED.get(name, {}))
    if "stitched" in views()[name].parameters:
        given["stitched"] = stitched
    one, two = (rows(engine, *asked(name, given)) for engine in pair)
    assert one == two
    assert one


@pytest.mark.parametrize("name", [name for name, view in sorted(views().items()) if has_past(name, view.sql)])
def test_a_question_about_a_past_moment_has_one_answer(pair: tuple[Engine, Engine], name: str) -> None:
    one, two = (rows(engine, *asked(name, _ASKED.get(name, {}), "2100-01-01")) for engine in pair)
    assert one == two
    assert one


def test_every_view_without_parameters_has_one_answer(pair: tuple[Engine, Engine]) -> None:
    names = [
        name
        for (name,) in rows(
            pair[0],
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' "
            "AND NOT position(as_select, '{')",
        )
        # Candidates are asked below, after a run. The other is an index of places, which has a row for each insert until a merge.
        if name not in {"identity_candidates", "identity_whereabouts"}
    ]
    assert {
        "events",
        "person_events",
        "people",
        "identifiers",
        "journey_events",
        "identity_refused_values",
    } <= set(names)
    for name in names:
        one, two = (rows(engine, f"SELECT * FROM {name}") for engine in pair)
        assert one == two, name
        assert one or name == "failed_events", name


def test_a_past_moment_has_one_answer(pair: tuple[Engine, Engine]) -> None:
    sql = "SELECT * FROM person_events_asof(at = '2100-01-01')"
    one, two = (rows(engine, sql) for engine in pair)
    assert len(one) > 500
    assert one == two


def test_stitching_wrote_the_same(pair: tuple[Engine, Engine]) -> None:
    assert state(pair[0]) == state(pair[1])


def test_any_shard_may_be_asked(pair: tuple[Engine, Engine]) -> None:
    sessions = [pair[1].session(shard=number) for number in range(2)]
    for name in ("events", "person_events", "people", "identifiers", "identity_edges", "identity_map"):
        answers = [sorted(session.query(f"SELECT * FROM {name}"), key=repr) for session in sessions]
        assert answers[0] == answers[1], name
    for session in sessions:
        session.close()


def test_each_shard_has_its_share_and_all_of_a_device(pair: tuple[Engine, Engine]) -> None:
    sessions = [pair[1].session(shard=number) for number in range(2)]
    devices = [
        {
            row[0]
            for row in session.query(
                f"SELECT DISTINCT device_node FROM events_raw{LOCAL} WHERE device_node != 0"
            )
        }
        for session in sessions
    ]
    for session in sessions:
        session.close()
    assert min(map(len, devices)) > 10
    assert not devices[0] & devices[1]


def test_what_is_grouped_by_person_is_grouped_on_each_shard_before_it_travels(
    pair: tuple[Engine, Engine],
) -> None:
    session = pair[1].session()
    plan = "\n".join(
        row[0]
        for row in session.query("EXPLAIN SELECT person_id, count() FROM person_events GROUP BY person_id")
    )
    session.close()
    assert "MergingAggregated" in plan
    assert plan.index("MergingAggregated") < plan.index("ReadFromRemote")
