"""The same schema over the shards of a cluster, by rules instead of a second copy of it.

In: a statement of a migration, as it stands there. Out: what to run in its place on one shard.
Guaranteed: every table and view keeps its name and its columns, whichever shard is asked, and a statement that no rule is for is
refused instead of guessed at.

The rules. `clickhouse/cluster/placement.toml` names what is sharded; NAME is the cluster.

    a sharded table T           T_local on each shard, and T as the door to all of them (Distributed)
    any other table             on the first shard; on the others a door to that one, through the cluster NAME_home
    a view by row V             V_local over the local tables, and V as the door to all of them
    any other view, dictionary  the same on every shard: it reads through doors
    a materialised view         on each shard, from the local table
    INSERT ... SELECT           of sharded tables on each shard by itself; of any other on the first one

With replicas, MergeTree engines become Replicated ones in a database whose engine, Replicated, repeats all this on each replica.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from . import sql_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LOCAL = "_local"
_ENGINE = re.compile(r"\bENGINE = (\w*MergeTree)\b")
_WINDOW = re.compile(r"\bnon_replicated_deduplication_window\b")
# ClickHouse's own settings for a session of a cluster.
SETTINGS: Mapping[str, int | str] = {
    # An insert has ended when each shard has its rows on disk. Otherwise they lie in a queue, where a token means nothing.
    "distributed_foreground_insert": 1,
    # A subquery is asked once and its answer sent to the shards, never asked of each shard's own rows: that would be another answer.
    "distributed_product_mode": "global",
    "prefer_global_in_and_join": 1,
}


@dataclass(frozen=True)
class Placement:
    """Where things lie.

    Attributes:
        sharded: sharding key by table; empty where nobody inserts.
        by_row: views that are computed on each shard.
    """

    sharded: Mapping[str, str]
    by_row: frozenset[str]


@cache
def placement() -> Placement:
    """Read `clickhouse/cluster/placement.toml`."""
    text = (sql_files.folder("cluster") / "placement.toml").read_text(encoding="utf-8")
    read = tomllib.loads(text)
    keys = {table: " ".join(key.split()) for table, key in read["sharded"].items()}
    return Placement(keys, frozenset(read["by_row"]["views"]))


def local(name: str) -> str:
    """Return the name of what a name stands for on one shard, where there is such a thing."""
    return name + LOCAL if name in placement().sharded or name in placement().by_row else name


def select_of(view: str, ask: Callable[[str], Sequence[Sequence[Any]]], database: str) -> str:
    """Return the SELECT behind a view as ClickHouse tells it, and as it is on one machine.

    Args:
        view: its name.
        ask: runs a SELECT and returns its rows.
        database: ours.
    """
    rows = ask(
        "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND as_select != '' "  # noqa: S608 (our own names)
        f"AND name IN ('{view}', '{view}{LOCAL}')"
    )
    return re.sub(rf"\b{database}\.(\w+){LOCAL} AS \1\b", rf"{database}.\1", str(rows[0][0]))


@dataclass(frozen=True)
class Cluster:
    """The cluster that one database is spread over.

    Args:
        name: in ClickHouse's `remote_servers`; `<name>_home` there is the first shard alone.
        database: ours.
        replicated: each shard has replicas.
    """

    name: str
    database: str
    replicated: bool = False

    def create_database(self) -> str:
        """Return the statement that makes the database."""
        if not self.replicated:
            return f"CREATE DATABASE IF NOT EXISTS {self.database} ENGINE = Atomic"
        # Once for all servers; from then on each shard's replicas repeat among themselves what is made in it.
        return (
            f"CREATE DATABASE IF NOT EXISTS {self.database} ON CLUSTER {self.name} "
            f"ENGINE = Replicated('/clickhouse/databases/{self.database}/{{shard}}', '{{shard}}', '{{replica}}')"
        )

    def reload(self, dictionary: str) -> str:
        """Return the statement that loads a dictionary anew; with replicas, on all servers at once."""
        everywhere = f"ON CLUSTER {self.name} " if self.replicated else ""
        return f"SYSTEM RELOAD DICTIONARY {everywhere}{dictionary}"

    def tables(self, statement: str) -> str:
        """Return a CREATE TABLE with the engine that a shard's table has."""
        if not self.replicated:
            return statement
        return _WINDOW.sub(
            "replicated_deduplication_window", _ENGINE.sub(r"ENGINE = Replicated\1", statement)
        )

    def statements(self, statement: str, *, is_home: bool) -> list[str]:
        """Return what to run on one shard.

        Args:
            statement: one of a migration, placeholders filled in.
            is_home: on the first shard.

        Returns:
            Statements in order; none where this shard has nothing to do.

        Raises:
            ValueError: there is no rule for it.
        """
        for pattern, rule in _RULES:
            if head := pattern.match(statement):
                return rule(self, statement, head["name"].removeprefix(f"{self.database}."), is_home=is_home)
        raise ValueError(f"no rule says what this is on a cluster: {statement[:80]}")

    def named_local(self, statement: str, name: str) -> str:
        """Return a statement that makes or alters what lies on a shard, not the door to it."""
        return re.sub(rf"\b{self.database}\.{name}\b", f"{self.database}.{name}{LOCAL}", statement, count=1)

    def from_local(self, statement: str) -> str:
        """Return a statement that reads and writes the shard's own rows; what is read keeps its name, because columns are named by it."""

        def replaced(found: re.Match[str]) -> str:
            word, name = found["word"], found["name"]
            own = local(name)
            alias = f" AS {name}" if word in {"FROM", "JOIN"} and own != name else ""
            return f"{word}{found['space']}{self.database}.{own}{alias}"

        places = rf"\b(?P<word>FROM|JOIN|TO|INTO)(?P<space>\s+){self.database}\.(?P<name>\w+)\b"
        return re.sub(places, replaced, statement)

    def door(self, name: str, key: str = "") -> str:
        """Return what makes the door to something on all shards; with a sharding key, rows can be inserted through it."""
        own, by = f"{name}{LOCAL}", f", {key}" if key else ""
        # OR REPLACE: so that it has the columns that its shards have now.
        return (
            f"CREATE OR REPLACE TABLE {self.database}.{name} AS {self.database}.{own} "
            f"ENGINE = Distributed({self.name}, {self.database}, {own}{by})"
        )

    def door_home(self, name: str) -> str:
        """Return what makes the door to a table of the first shard; its columns are asked for there."""
        return (
            f"CREATE OR REPLACE TABLE {self.database}.{name} "
            f"ENGINE = Distributed({self.name}_home, {self.database}, {name})"
        )


def _table(cluster: Cluster, statement: str, name: str, *, is_home: bool) -> list[str]:
    key = placement().sharded.get(name)
    if key is not None:
        return [cluster.tables(cluster.named_local(statement, name)), cluster.door(name, key)]
    return [cluster.tables(statement)] if is_home else [cluster.door_home(name)]


def _view(cluster: Cluster, statement: str, name: str, *, is_home: bool) -> list[str]:
    del is_home  # every shard has it
    if name not in placement().by_row:
        return [statement]
    return [cluster.from_local(cluster.named_local(statement, name)), cluster.door(name)]


def _feed(cluster: Cluster, statement: str, name: str, *, is_home: bool) -> list[str]:
    del name, is_home  # every shard has it
    return [cluster.from_local(statement)]


def _rows(cluster: Cluster, statement: str, name: str, *, is_home: bool) -> list[str]:
    if name in placement().sharded:
        return [cluster.from_local(statement)]
    return [statement] if is_home else []


def _everywhere(cluster: Cluster, statement: str, name: str, *, is_home: bool) -> list[str]:
    del cluster, name, is_home  # the same for all
    return [statement]


_RULES: tuple[tuple[re.Pattern[str], Callable[..., list[str]]], ...] = tuple(
    (re.compile(rf"{head} (?P<name>[\w.]+)"), rule)
    for head, rule in (
        ("CREATE TABLE IF NOT EXISTS", _table),
        ("ALTER TABLE", _table),
        ("CREATE OR REPLACE VIEW", _view),
        ("CREATE MATERIALIZED VIEW(?: IF NOT EXISTS)?", _feed),
        ("INSERT INTO", _rows),
        ("CREATE DICTIONARY IF NOT EXISTS", _everywhere),
        ("CREATE OR REPLACE DICTIONARY", _everywhere),
        ("DROP VIEW IF EXISTS", _everywhere),
    )
)
