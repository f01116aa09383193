"""What the tests are given is what the migrations make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stitchline_collector import migrate
from stitchline_collector.journeys import prepare

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

_TABLES = "SELECT name, engine, replaceAll(create_table_query, database, 'x') FROM system.tables"
_COLUMNS = (
    "SELECT table, name, position, type, default_kind, replaceAll(default_expression, database, 'x'), compression_codec,"
    " comment FROM system.columns"
)
_INDICES = "SELECT table, name, type_full, expr, granularity FROM system.data_skipping_indices"
_DICTIONARIES = "SELECT name, type, key.names, attribute.names, toString(status) FROM system.dictionaries"
_ROWS = "SELECT table, sum(rows) FROM system.parts"


def described(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Everything about its database but the moments and names that differ by nature."""
    session = engine.session()
    ours = "WHERE database = currentDatabase()"
    asked = {
        "tables": f"{_TABLES} {ours}",
        "columns": f"{_COLUMNS} {ours}",
        "indices": f"{_INDICES} {ours}",
        "dictionaries": f"{_DICTIONARIES} {ours}",
        "rows": f"{_ROWS} {ours} AND active GROUP BY table",
        "migrations": "SELECT name, checksum FROM migrations",
    }
    found = {what: list(session.query(f"{sql} ORDER BY ALL")) for what, sql in asked.items()}
    session.close()
    return found


def test_a_copied_database_is_like_a_migrated_one(engine: Engine, empty_neighbour: Engine) -> None:
    migrate.apply(empty_neighbour)
    prepare(empty_neighbour)
    found = described(engine)
    assert len(found["tables"]) > 40
    assert all(found.values())
    assert found == described(empty_neighbour)
