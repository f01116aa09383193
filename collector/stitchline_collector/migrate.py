"""Bring a database to the tables and views this program needs.

In: an engine, and the numbered files of `clickhouse/migrations`. Out: the migrations applied now, in order; on a cluster to
each shard, in the form that `cluster` gives them there.
Guaranteed: each file is applied in the order of its name and recorded with the SHA-256 of its text; a file that was
edited after it was applied is refused before anything is changed.

Two processes may start at once, without a lease. Every statement is idempotent (IF NOT EXISTS, OR REPLACE), and each
process applies, in order, *everything* that was pending when it began, even what the other has recorded meanwhile: so
whoever is last leaves the newest form of every object. A migration that moves rows must carry its own
`insert_deduplication_token`. One file holds one change; a statement ends with `;` at the end of a line.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stitchline_collector import sql_files
from stitchline_collector.engine import QueryError

if TYPE_CHECKING:
    from pathlib import Path

    from stitchline_collector.engine import Engine, Session

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_STATEMENT_END = re.compile(r";[ \t]*$", re.MULTILINE)
_COMMENT_LINE = re.compile(r"^\s*--.*$", re.MULTILINE)
_MEANWHILE_MADE = {57}  # TABLE_ALREADY_EXISTS: two CREATE ... IF NOT EXISTS at one moment


class MigrationEdited(Exception):
    """A migration's file is not what was applied to this database."""


@dataclass(frozen=True)
class Migration:
    """One numbered file.

    Attributes:
        name: the file's name, which begins with four digits.
        text: as in the file, placeholders and all.
    """

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text before placeholders are filled in, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, placeholders: dict[str, str]) -> list[str]:
        """Return the statements in order, placeholders filled in, comment lines left out.

        Args:
            placeholders: value by name, for `${name}`.

        Raises:
            KeyError: the file uses a placeholder that has no value.
        """
        bare = _COMMENT_LINE.sub("", self.text)
        filled = _PLACEHOLDER.sub(lambda found: placeholders[found[1]], bare)
        return [part.strip() for part in _STATEMENT_END.split(filled) if part.strip()]


def available(folder: Path | None = None) -> list[Migration]:
    """Read the migrations this program brings.

    Args:
        folder: another than `clickhouse/migrations`.

    Returns:
        All of them, in the order they apply.
    """
    files = sorted(folder.glob("*.sql")) if folder else sql_files.files("migrations")
    return [Migration(file.name, file.read_text(encoding="utf-8")) for file in files]


def apply(engine: Engine, folder: Path | None = None) -> list[str]:
    """Apply what the database does not have yet.

    Args:
        engine: its database is made if it does not exist.
        folder: another than `clickhouse/migrations`.

    Returns:
        The names applied now; empty when there was nothing to do.

    Raises:
        MigrationEdited: a file was edited after it was applied; nothing was changed.
        ValueError: the database was made for one machine and the engine is a cluster's, or the other way round.
        EngineError: ClickHouse refused a statement or cannot be reached; applying again goes on from there.
    """
    migrations = available(folder)
    shards = [engine.session(database="default", shard=number) for number in range(engine.shards)]
    try:
        _refuse_another_form(shards[0], engine)
        recorded = [_recorded(shard, engine) for shard in shards]
        for known in recorded:
            _refuse_edited(migrations, known)
        pending = [one for one in migrations if any(one.name not in known for known in recorded)]
        for migration in pending:
            behind = [
                (number, shard)
                for number, shard in enumerate(shards)
                if migration.name not in recorded[number]
            ]
            _apply_one(behind, engine, migration)
        return [migration.name for migration in pending]
    finally:
        for shard in shards:
            shard.close()


def _refuse_another_form(session: Session, engine: Engine) -> None:
    """Refuse to take a sharded database for one machine's, or the other way round: each would hide rows of the other."""
    found = session.query(
        "SELECT engine FROM system.tables WHERE database = {database:String} AND name = 'events_raw'",
        {"database": engine.database},
    )
    if not found or (found[0][0] == "Distributed") == (engine.cluster is not None):
        return
    if engine.cluster is None:
        raise ValueError(
            f"{engine.database} is spread over a cluster: give one host per shard and the cluster's name, "
            "as in clickhouse://one:8123,two:8123/NAME?cluster=CLUSTER"
        )
    raise ValueError(
        f"{engine.database} is of one machine: a cluster needs a database of its own, to which the events are copied "
        "(docs/operations.md)"
    )


def _recorded(session: Session, engine: Engine) -> dict[str, str]:
    """Return checksum by name of what was applied to a shard, making the database and its record first."""
    database = engine.database
    record = (
        f"CREATE TABLE IF NOT EXISTS {database}.migrations (name String, checksum String, "
        "applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')) ENGINE = ReplacingMergeTree ORDER BY name"
    )
    if engine.cluster is None:
        # Atomic by name: the embedded engine's default is an overlay that cannot hold all we need.
        _run(session, f"CREATE DATABASE IF NOT EXISTS {database} ENGINE = Atomic")
        _run(session, record)
    else:
        _run(session, engine.cluster.create_database())
        _run(session, engine.cluster.tables(record))
    return dict(session.query(f"SELECT name, any(checksum) FROM {database}.migrations GROUP BY name"))  # noqa: S608 (a checked identifier)


def _refuse_edited(migrations: list[Migration], recorded: dict[str, str]) -> None:
    for migration in migrations:
        if recorded.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationEdited(
                f"{migration.name} was edited after it was applied: put the file back as it was and write the change "
                "as a new migration with the next number"
            )


def _apply_one(shards: list[tuple[int, Session]], engine: Engine, migration: Migration) -> None:
    placeholders = {"database": engine.database, "dictionary_credentials": engine.dictionary_credentials}
    for statement in migration.statements(placeholders):
        # Statement by statement over the shards, the first one first: the others' doors to it take its columns.
        for number, session in shards:
            for one in _on_shard(engine, statement, number):
                _run(session, one)
    record = f"INSERT INTO {engine.database}.migrations (name, checksum) VALUES ({{n:String}}, {{c:String}})"  # noqa: S608 (a checked identifier)
    for _, session in shards:
        session.command(record, parameters={"n": migration.name, "c": migration.checksum})


def run_everywhere(engine: Engine, statements: list[str]) -> None:
    """Run statements on each shard in the form that `cluster` gives them there; on one machine, as they are.

    Args:
        engine: migrated.
        statements: that make or drop views, as on one machine.

    Raises:
        ValueError: no rule tells what one of them is on a cluster.
        EngineError: ClickHouse refused a statement or cannot be reached.
    """
    for number in range(engine.shards):
        session = engine.session(shard=number)
        try:
            for statement in statements:
                for one in _on_shard(engine, statement, number):
                    session.command(one)
        finally:
            session.close()


def _on_shard(engine: Engine, statement: str, number: int) -> list[str]:
    if engine.cluster is None:
        return [statement]
    return engine.cluster.statements(statement, is_home=number == 0)


def _run(session: Session, statement: str) -> None:
    try:
        session.command(statement)
    except QueryError as error:
        if error.code not in _MEANWHILE_MADE:
            raise
