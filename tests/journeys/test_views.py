"""Definitions applied when reading: what they say of events that came before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from stitchline_collector.cli.migrate import migrate
from stitchline_collector.engine import Engine
from stitchline_collector.journeys import JourneyError, prepare
from tests.databases import drop, new_name
from tests.journeys.test_definition import SHOP
from tests.stitch.stories import event, load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clickhouse_server import ClickHouseServer

_READ = "SELECT seq, stage, derived_stage, journey_stage, milestones FROM journey_events ORDER BY seq"


def _order(minute: float, total: float, **more: Any) -> dict[str, Any]:
    return event(minute, "phone-1", name="order_completed", user="1", **more) | {
        "properties": {"total": total}
    }


def _events(engine: Engine) -> list[tuple[Any, ...]]:
    session = engine.session()
    rows = list(session.query(_READ))
    session.close()
    return rows


def _column(engine: Engine, sql: str) -> list[Any]:
    session = engine.session()
    found = [row[0] for row in session.query(sql)]
    session.close()
    return found


def test_a_definition_holds_for_events_that_came_before_it(engine: Engine) -> None:
    load(engine, [event(0, "phone-1"), _order(1, 99), _order(2, 100), _order(3, 100, stage="look")])
    assert [row[1:4] for row in _events(engine)] == [("", "", "")] * 3 + [("look", "", "look")]
    prepare(engine, SHOP)
    assert [(*row[:4], list(row[4])) for row in _events(engine)] == [
        (0, "", "look", "look", ["first_view"]),
        (60, "", "", "", []),
        (120, "", "buy", "buy", ["big_order"]),
        (180, "look", "buy", "look", ["big_order"]),  # what the SDK says wins, and both are there
    ]
    assert _column(engine, "SELECT stage FROM journey_stages ORDER BY position") == ["look", "buy"]
    assert _column(engine, "SELECT within_s FROM journey_milestones ORDER BY position") == [0, 14 * 86400]


def test_an_event_reaches_every_milestone_it_fits_and_the_furthest_stage(engine: Engine) -> None:
    prepare(
        engine, SHOP + '\n[[milestones]]\nname = "any_order"\nstage = "look"\nevent = "order_completed"\n'
    )
    load(engine, [_order(0, 100)])
    assert [(row[3], list(row[4])) for row in _events(engine)] == [("buy", ["big_order", "any_order"])]


def test_the_definition_given_last_holds_until_another_is_given(engine: Engine) -> None:
    prepare(engine, SHOP)
    prepare(engine)
    assert _column(engine, "SELECT milestone FROM journey_milestones ORDER BY position") == [
        "first_view",
        "big_order",
    ]
    prepare(engine, "")
    prepare(engine)
    assert _column(engine, "SELECT milestone FROM journey_milestones") == []


def test_a_wrong_definition_changes_nothing(engine: Engine) -> None:
    prepare(engine, SHOP)
    with pytest.raises(JourneyError):
        prepare(engine, "stages = []")
    assert _column(engine, "SELECT stage FROM journey_stages ORDER BY position") == ["look", "buy"]
    assert _column(engine, "SELECT count() FROM journey_definitions") == [1]


def test_the_conditions_of_milestones_read_single_paths_of_the_properties(engine: Engine) -> None:
    prepare(engine, SHOP)
    plan = "\n".join(_column(engine, "EXPLAIN header = 1 SELECT milestones FROM journey_events"))
    assert "properties.total Dynamic" in plan
    assert "properties JSON" not in plan


def test_migrate_takes_a_journey_and_names_the_file_and_line_of_an_error(
    clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    file = tmp_path / "journey.toml"
    with Engine.open(clickhouse_server.dsn(new_name())) as engine:
        given = ["--clickhouse", clickhouse_server.dsn(engine.database), "--journey", str(file)]
        file.write_text(SHOP)
        done = CliRunner().invoke(migrate, given)
        assert done.exit_code == 0, done.output
        assert _column(engine, "SELECT stage FROM journey_stages ORDER BY position") == ["look", "buy"]
        file.write_text(SHOP.replace('"2 weeks"', '"soon"'))
        wrong = CliRunner().invoke(migrate, given)
        assert wrong.exit_code == 1
        assert f"{file}: line 13: within" in wrong.output
        drop(engine)
