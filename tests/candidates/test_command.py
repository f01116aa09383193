"""`stitchline candidates`, on both engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from stitchline_collector.cli.candidates import candidates
from stitchline_collector.simulate import Behaviour, write
from tests.candidates.test_finder import seen, stitch
from tests.stitch.stories import event, load

if TYPE_CHECKING:
    from pathlib import Path

    from stitchline_collector.engine import Engine

pytestmark = pytest.mark.shards


@pytest.fixture
def address(engine: Engine) -> str:
    where = engine.address
    if engine.embedded:
        return f"chdb://{where.path}?database={engine.database}"
    hosts = ",".join(f"{shard.host}:{shard.port}" for shard in where.shards())
    cluster = f"?cluster={where.cluster}" if where.cluster else ""
    return f"clickhouse://{where.user}@{hosts}/{engine.database}{cluster}"


@pytest.fixture
def couple(engine: Engine) -> None:
    events = [seen(minute, device, "10.0.0.0") for minute in range(3) for device in ("phone", "laptop")]
    load(engine, [*events, *(seen(0, device, "10.0.1.0") for device in ("tv", "tablet"))])
    load(engine, [event(5, device, user="A") for device in ("tv", "tablet")])
    stitch(engine)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(candidates, arguments)


@pytest.mark.usefixtures("couple")
def test_it_prints_pairs_that_are_not_one_person_yet(address: str) -> None:
    result = run("--clickhouse", address, "--min-probability", "0.1", "--json")
    assert result.exit_code == 0, result.output
    (pair,) = json.loads(result.output)
    assert {pair["low_name"], pair["high_name"]} == {"device:phone", "device:laptop"}
    assert pair["features"]["networks"] == "of_3_same_day"
    assert 0.1 <= pair["probability"] < 1
    assert not pair["is_one_person"]


@pytest.mark.usefixtures("couple")
def test_it_prints_joined_pairs_when_asked_and_no_more_than_asked(address: str) -> None:
    result = run("--clickhouse", address, "--min-probability", "0", "--joined", "--json")
    assert len(json.loads(result.output)) == 2
    result = run("--clickhouse", address, "--min-probability", "0", "--joined", "--limit", "1")
    assert result.exit_code == 0, result.output
    assert "only shown: nothing was joined" in result.output
    assert len(result.output.splitlines()) <= 12


def test_it_says_when_there_is_nothing_to_show(address: str) -> None:
    result = run("--clickhouse", address)
    assert result.exit_code == 0, result.output
    assert "no such pairs" in result.output
    assert run("--clickhouse", address, "--json").output == "[]\n"


def test_it_evaluates_a_world_and_leaves_the_database_alone(
    address: str, engine: Engine, tmp_path: Path
) -> None:
    write(120, 1, tmp_path / "world", Behaviour())
    result = run("--clickhouse", address, "--evaluate", str(tmp_path / "world"), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["met_household_pairs"] <= found["household_pairs"]
    assert [at["threshold"] for at in found["thresholds"]][:2] == [0.05, 0.1]
    session = engine.session()
    assert session.query("SELECT count() FROM events") == [(0,)]
    assert session.query("SELECT count() FROM system.databases WHERE name LIKE '%candidates_town'") == [(0,)]
    result = run("--clickhouse", address, "--evaluate", str(tmp_path / "world"), "--one-place")
    assert result.exit_code == 0, result.output
    assert "household" in result.output


def test_it_says_what_to_do_without_a_database() -> None:
    result = run()
    assert result.exit_code == 2
    assert "--clickhouse DSN" in result.output


def test_it_says_what_to_do_without_a_world(address: str, tmp_path: Path) -> None:
    result = run("--clickhouse", address, "--evaluate", str(tmp_path))
    assert result.exit_code == 1
    assert "stitchline simulate" in result.output
