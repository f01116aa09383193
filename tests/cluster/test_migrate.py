"""The form of the schema on a cluster, and what keeps it from being taken for another."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from stitchline_collector import migrate
from stitchline_collector.cli.migrate import migrate as command
from stitchline_collector.cluster import Cluster, placement
from stitchline_collector.engine import Engine
from stitchline_collector.retention import Retention, keep
from tests.clickhouse_cluster import NAME, ClickHouseCluster
from tests.clickhouse_server import ClickHouseServer
from tests.databases import drop, new_name


def _statements() -> list[str]:
    filled = {"database": "stitchline", "dictionary_credentials": ""}
    return [one for migration in migrate.available() for one in migration.statements(filled)]


def test_every_statement_of_the_migrations_has_a_rule() -> None:
    cluster = Cluster(NAME, "stitchline")
    for statement in _statements():
        cluster.statements(statement, is_home=True)
        cluster.statements(statement, is_home=False)


def test_what_no_rule_is_for_is_refused() -> None:
    with pytest.raises(ValueError, match="no rule says what this is on a cluster: OPTIMIZE"):
        Cluster(NAME, "stitchline").statements("OPTIMIZE TABLE stitchline.events_raw", is_home=True)


def test_with_replicas_every_table_of_rows_is_replicated_and_clickhouse_can_read_it(engine: Engine) -> None:
    cluster = Cluster(NAME, "stitchline", replicated=True)
    session = engine.session()
    made = [cluster.create_database(), cluster.reload("stitchline.identity_recent")]
    made += [one for statement in _statements() for one in cluster.statements(statement, is_home=True)]
    for statement in made:
        session.query("SELECT formatQuery({sql:String})", {"sql": statement})
    session.close()
    engines = {found for statement in made for found in re.findall(r"\bENGINE = (\w*MergeTree)", statement)}
    assert engines == {
        "ReplicatedMergeTree",
        "ReplicatedReplacingMergeTree",
        "ReplicatedAggregatingMergeTree",
    }
    assert not any("non_replicated" in statement for statement in made)
    assert "ENGINE = Replicated('/clickhouse/databases/stitchline/{shard}'" in made[0]
    assert made[1] == f"SYSTEM RELOAD DICTIONARY ON CLUSTER {NAME} stitchline.identity_recent"


def test_the_first_shard_has_the_identity_and_the_others_doors_to_it(engine: Engine) -> None:
    engines: list[dict[str, str]] = []
    for number in range(2):
        session = engine.session(shard=number)
        engines.append(
            dict(session.query("SELECT name, engine FROM system.tables WHERE database = currentDatabase()"))
        )
        session.close()
    assert engines[0].keys() == engines[1].keys()
    for name in placement().sharded:
        assert [one[name] for one in engines] == ["Distributed"] * 2
        assert [one[f"{name}_local"].endswith("MergeTree") for one in engines] == [True] * 2
    assert [one["identity_log"] for one in engines] == ["MergeTree", "Distributed"]
    assert [one["identity_recent"] for one in engines] == ["Dictionary"] * 2


def test_the_command_spreads_the_schema_and_a_second_time_has_nothing_to_do(
    clickhouse_cluster: ClickHouseCluster,
) -> None:
    database = new_name()
    dsn = clickhouse_cluster.dsn(database).partition("?")[0]
    first = CliRunner().invoke(command, ["--clickhouse", dsn, "--cluster", NAME])
    second = CliRunner().invoke(command, ["--clickhouse", dsn, "--cluster", NAME, "--json"])
    assert (first.exit_code, "applied 0001_events.sql\n" in first.output) == (0, True), first.output
    assert second.output == f'{{"database": "{database}", "applied": []}}\n'
    forgotten = CliRunner().invoke(
        command, ["--clickhouse", dsn.replace(",", "/x,").partition(",")[0][:-2] + f"/{database}"]
    )
    assert forgotten.exit_code == 1
    assert "is spread over a cluster: give one host per shard" in forgotten.output
    with Engine.open(clickhouse_cluster.dsn(database)) as engine:
        drop(engine)


def test_a_database_of_one_machine_is_not_taken_for_a_cluster(clickhouse_server: ClickHouseServer) -> None:
    with Engine.open(clickhouse_server.dsn(), database=new_name()) as one:
        migrate.apply(one)
        dsn = f"{clickhouse_server.dsn(one.database)}?cluster={NAME}"
        with (
            Engine.open(dsn) as wrong,
            pytest.raises(ValueError, match="is of one machine: a cluster needs a database of its own"),
        ):
            migrate.apply(wrong)
        drop(one)


def test_several_hosts_need_a_name_for_what_they_are() -> None:
    with pytest.raises(ValueError, match="2 hosts and no cluster"):
        Engine.open("clickhouse://one:8123,two:8123/stitchline")


def test_a_shard_that_comes_later_gets_the_whole_schema(engine: Engine) -> None:
    session = engine.session(database="default", shard=1)
    session.command(f"DROP DATABASE {engine.database} SYNC")
    session.close()
    assert migrate.apply(engine) == [migration.name for migration in migrate.available()]
    assert migrate.apply(engine) == []
    session = engine.session(shard=1)
    assert session.query("SELECT count() FROM people") == [(0,)]
    session.close()


def test_old_rows_go_on_every_shard(engine: Engine) -> None:
    for number, expected in (
        (0, ["events_raw", "failed_events_raw", "identity_visits"]),
        (1, ["events_raw", "identity_visits"]),
    ):
        session = engine.session(shard=number)
        assert sorted(keep(session, Retention(events_days=30, failed_events_days=7))) == expected
        assert keep(session, Retention(events_days=30, failed_events_days=7)) == []
        session.close()
