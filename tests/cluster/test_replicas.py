"""The form with replicas on ClickHouse itself: two shards, each with a keeper inside its process.

Such a server makes replicated tables and reads them, but a table never becomes writable there, and a database of the engine Replicated
is not made. So the database is Atomic here, each table is given the UUID that a Replicated one would give it, and an ALTER goes as far
as a replica that cannot be written lets it: checked against the table, then refused.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from stitchline_collector import migrate
from stitchline_collector.cluster import Cluster, placement
from stitchline_collector.engine import Engine, EngineUnavailable
from stitchline_collector.journeys import prepare
from stitchline_collector.stitch import Stitcher
from tests.ask.towns import towns
from tests.clickhouse_cluster import NAME, ClickHouseCluster
from tests.databases import new_name
from tests.stitch.stories import load

# ClickHouse's defaults: by the table's UUID, and the macros of the server.
_PLACE = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"


@pytest.fixture(scope="module")
def with_keeper(clickhouse_cluster: ClickHouseCluster, databases: Path) -> Iterator[ClickHouseCluster]:
    """Two shards with a keeper each."""
    del clickhouse_cluster  # asked for only to learn whether one can run here
    with ClickHouseCluster(databases / "replicas", has_keeper=True) as cluster:
        yield cluster


class _Shard:
    """One shard, with the schema twice: without replicas, and with them.

    Attributes:
        altered: tables that an ALTER was checked against.
    """

    def __init__(self, engine: Engine, number: int, replicated: str) -> None:
        self._is_home = number == 0
        self._session = engine.session(database="default", shard=number)
        self._plain = Cluster(NAME, engine.database)
        self._replicated = Cluster(NAME, replicated, replicated=True)
        self.altered: set[str] = set()
        for cluster in (self._plain, self._replicated):
            self._session.command(f"CREATE DATABASE {cluster.database} ENGINE = Atomic")

    def apply(self, migration: migrate.Migration, number: int) -> None:
        """Run one statement of a migration in both."""
        for cluster, run in ((self._plain, self._session.command), (self._replicated, self._run)):
            filled = {"database": cluster.database, "dictionary_credentials": ""}
            statement = migration.statements(filled)[number]
            for one in cluster.statements(statement, is_home=self._is_home):
                run(one)

    def _run(self, statement: str) -> None:
        if not statement.startswith("ALTER TABLE"):
            self._session.command(_with_uuid(statement))
            return
        with pytest.raises(EngineUnavailable, match="TABLE_IS_READ_ONLY"):
            self._session.command(statement)
        table = statement.split()[2]
        self.altered.add(table.rpartition(".")[2])
        self._make_as_altered(table)

    def _make_as_altered(self, table: str) -> None:
        """Make a table anew as the ALTER would have left it, for the statements after it."""
        [(plain,)] = self._session.query(
            "SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = {name:String}",
            {"database": self._plain.database, "name": table.rpartition(".")[2]},
        )
        statement = str(plain).replace(self._plain.database, self._replicated.database)
        self._session.command(f"DROP TABLE {table} SYNC")
        self._session.command(_with_uuid(self._replicated.tables(statement)))

    def engines(self) -> tuple[dict[str, str], dict[str, str]]:
        """What engine and settings each table and view has, by name, without replicas and with them."""
        return self._of_both(
            "SELECT name, engine || ' ' || replaceAll(engine_full, database, '') FROM system.tables"
        )

    def columns(self) -> tuple[dict[str, str], dict[str, str]]:
        """What columns each has."""
        return self._of_both(
            "SELECT table, toString(arraySort(groupArray((position, name, type, default_kind, is_in_sorting_key, "
            "is_in_partition_key, compression_codec)))) FROM system.columns"
        )

    def _of_both(self, select: str) -> tuple[dict[str, str], dict[str, str]]:
        return self._in(self._plain, select), self._in(self._replicated, select)

    def _in(self, cluster: Cluster, select: str) -> dict[str, str]:
        grouped = " GROUP BY table" if "groupArray" in select else ""
        rows = self._session.query(
            f"{select} WHERE database = {{name:String}}{grouped}", {"name": cluster.database}
        )
        return {str(name): str(what) for name, what in rows}

    def close(self) -> None:
        self._session.close()


def _with_uuid(statement: str) -> str:
    """As a database of the engine Replicated hands a CREATE TABLE on."""
    if "ENGINE = Replicated" not in statement:
        return statement
    return re.sub(r"^(CREATE TABLE (?:IF NOT EXISTS )?\S+)", rf"\1 UUID '{uuid.uuid4()}'", statement)


def _shards_of(engine: Engine) -> list[_Shard]:
    name = new_name()
    return [_Shard(engine, number, name) for number in range(engine.shards)]


def _without_replicas(engine: str) -> str:
    """What it would be without them."""
    engine = re.sub(r"\bReplicated(\w*MergeTree)", r"\1", engine)
    engine = engine.replace(f"MergeTree({_PLACE})", "MergeTree").replace(f"({_PLACE}, ", "(")
    return engine.replace("replicated_deduplication_window", "non_replicated_deduplication_window")


def _families(engines: Iterable[str]) -> set[str]:
    return {engine.partition(" ")[0] for engine in engines}


def test_every_table_view_and_dictionary_is_made_in_the_form_with_replicas(
    with_keeper: ClickHouseCluster,
) -> None:
    with Engine.open(with_keeper.dsn(new_name())) as engine:
        shards = _shards_of(engine)
        for migration in migrate.available():
            filled = {"database": engine.database, "dictionary_credentials": ""}
            for number in range(len(migration.statements(filled))):
                for shard in shards:  # the others' doors ask the first for their columns
                    shard.apply(migration, number)
        for shard in shards:
            columns, columns_with_replicas = shard.columns()
            assert columns == columns_with_replicas
            engines, engines_with_replicas = shard.engines()
            assert {
                name: _without_replicas(engine) for name, engine in engines_with_replicas.items()
            } == engines
            assert _families(engines_with_replicas.values()) >= {
                "Distributed",
                "Dictionary",
                "View",
                "MaterializedView",
            }
            of_rows = {name for name, engine in engines.items() if "MergeTree" in engine}
            assert of_rows == {
                name for name, engine in engines_with_replicas.items() if engine.startswith("Replicated")
            }
            assert {f"{name}_local" for name in placement().sharded} <= of_rows
            assert "events_raw_local" in shard.altered
            shard.close()


def test_replicated_tables_of_events_answer_as_they_did_without_replicas(
    with_keeper: ClickHouseCluster,
) -> None:
    with Engine.open(with_keeper.dsn(new_name())) as engine:
        migrate.apply(engine)
        prepare(engine)
        load(engine, towns(3))
        stitcher = Stitcher(engine)
        while stitcher.round():
            pass
        stitcher.close()
        before = _answers(engine)
        _make_replicated(engine)
        assert _answers(engine) == before
        assert len(before["people"]) > 10


def _make_replicated(engine: Engine) -> None:
    """Have ClickHouse take each table's rows into a replicated one."""
    for number in range(engine.shards):
        session = engine.session(shard=number)
        of_rows = "FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        for (table,) in session.query(f"SELECT name {of_rows}"):
            session.command(f"DETACH TABLE {table} SYNC")
            session.command(f"ATTACH TABLE {table} AS REPLICATED")
        assert session.query(f"SELECT count() > 1, countIf(engine NOT LIKE 'Replicated%') {of_rows}") == [
            (1, 0)
        ]
        session.close()


def _answers(engine: Engine) -> dict[str, list[str]]:
    """Every view without parameters."""
    session = engine.session()
    views = session.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND name NOT LIKE '%\\_local' "
        "AND (engine = 'View' AND NOT position(as_select, '{') OR name = 'person_events')"
    )
    answers = {
        name: sorted(row[0] for row in session.query(f"SELECT formatRow('JSONEachRow', *) FROM {name}"))
        for (name,) in views
    }
    session.close()
    return answers
