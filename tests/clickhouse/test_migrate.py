from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from stitchline_collector import migrate
from stitchline_collector.cli.migrate import migrate as command
from stitchline_collector.engine import Engine, QueryError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clickhouse_server import ClickHouseServer


def test_an_empty_clickhouse_gets_everything_in_the_order_of_the_names(empty_engine: Engine) -> None:
    applied = migrate.apply(empty_engine)

    assert applied == sorted(applied)
    assert applied[0].startswith("0001_")
    tables = [name for (name,) in empty_engine.session().query("SHOW TABLES")]
    assert {"events_raw", "events", "failed_events_raw", "failed_events", "migrations"} <= set(tables)


def test_a_second_time_changes_nothing(engine: Engine) -> None:
    assert migrate.apply(engine) == []


def test_an_edited_migration_is_refused_with_what_to_do(empty_engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "0001_a.sql"
    file.write_text("CREATE TABLE IF NOT EXISTS ${database}.a (x UInt8) ENGINE = MergeTree ORDER BY x;\n")
    migrate.apply(empty_engine, tmp_path)
    file.write_text("CREATE TABLE IF NOT EXISTS ${database}.a (x UInt16) ENGINE = MergeTree ORDER BY x;\n")
    (tmp_path / "0002_b.sql").write_text(
        "CREATE TABLE ${database}.b (x UInt8) ENGINE = MergeTree ORDER BY x;\n"
    )

    with pytest.raises(
        migrate.MigrationEdited, match=r"0001_a\.sql was edited after it was applied: put the file back"
    ):
        migrate.apply(empty_engine, tmp_path)
    assert [name for (name,) in empty_engine.session().query("SHOW TABLES")] == ["a", "migrations"]


def test_a_migration_that_fails_is_not_recorded_and_goes_on_when_it_is_right(
    empty_engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.sql").write_text(
        "CREATE TABLE IF NOT EXISTS ${database}.a (x UInt8) ENGINE = MergeTree ORDER BY x;\n"
    )
    (tmp_path / "0002_b.sql").write_text(
        "CREATE TABLE ${database}.b (x NoSuchType) ENGINE = MergeTree ORDER BY x;\n"
    )

    with pytest.raises(QueryError):
        migrate.apply(empty_engine, tmp_path)
    (tmp_path / "0002_b.sql").write_text(
        "CREATE TABLE ${database}.b (x UInt8) ENGINE = MergeTree ORDER BY x;\n"
    )
    assert migrate.apply(empty_engine, tmp_path) == ["0002_b.sql"]


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    text = "-- one; two;\nSELECT 'a;b'; \nSELECT\n  -- inside;\n  '${database}';\n\n"

    assert migrate.Migration("0001_x.sql", text).statements({"database": "d"}) == [
        "SELECT 'a;b'",
        "SELECT\n\n  'd'",
    ]


def test_the_checksum_is_of_the_text_with_its_placeholders() -> None:
    assert migrate.Migration("a", "${database}").checksum != migrate.Migration("a", "d").checksum


def test_two_that_start_at_once_both_succeed(empty_engine: Engine) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        try:
            migrate.apply(empty_engine)
        except BaseException as error:  # noqa: BLE001 (reported below)
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert migrate.apply(empty_engine) == []


def test_two_processes_that_start_at_once_both_succeed(clickhouse_server: ClickHouseServer) -> None:
    dsn = clickhouse_server.dsn("test_two_processes")
    line = [
        sys.executable,
        "-c",
        "from stitchline_collector.cli.migrate import migrate; migrate()",
        "--clickhouse",
        dsn,
    ]
    processes = [
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], outputs
    with Engine.open(dsn) as engine:
        assert migrate.apply(engine) == []
        engine.session().command("DROP DATABASE test_two_processes SYNC")


def test_the_command_says_what_it_applied(clickhouse_server: ClickHouseServer) -> None:
    dsn = clickhouse_server.dsn("test_command")
    first = CliRunner().invoke(command, ["--clickhouse", dsn])
    second = CliRunner().invoke(command, ["--clickhouse", dsn, "--json"])

    assert first.exit_code == 0
    assert "applied 0001_events.sql\n" in first.output
    assert second.output == '{"database": "test_command", "applied": []}\n'
    with Engine.open(dsn) as engine:
        engine.session().command("DROP DATABASE test_command SYNC")


def test_the_command_fails_with_a_message_when_nothing_answers() -> None:
    result = CliRunner().invoke(command, ["--clickhouse", "clickhouse://127.0.0.1:1/db"])

    assert result.exit_code == 1
    assert result.output.startswith("Error: ClickHouse at http://127.0.0.1:1 does not answer: ")
