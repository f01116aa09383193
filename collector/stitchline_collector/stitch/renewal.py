"""Contacts that are stored under older keys, brought under the newest one: in events, evidence and everything made of it.

Enters: the shards, and what makes of a stored contact the same one under the newest key. Leaves: tables in which no older one is left of
what was loaded before. Guaranteed: it may be killed at any moment and begun again, because a value says of which generation it is; a
contact stored in two generations becomes one. Persons are to be decided anew afterwards.

No statement holds a contact or a key: which becomes which stands in tables of ClickHouse's memory, on each shard.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from ..engine import EngineError, Session, Shards
from ..logs import Log
from .rules import IdentityRules

MAPS = {
    "identity_inbox": ("identifiers", "linked"),
    "withdrawals_inbox": ("identifiers",),
    "events_raw": ("identifiers", "linked"),
}
"""Columns that hold identifiers."""
NODES = {
    "identity_visits": ("node",),
    "identity_edges": ("node", "neighbour"),
    "identity_unlinks": ("node", "neighbour"),
    "identity_claims": ("node",),
    "identity_members": ("person_id", "node"),
    "identity_log": ("node", "person_id", "previous_person_id"),
    "activation_states": ("node",),
    "activation_told": ("node",),
}
"""Columns that hold nodes of identifiers; they are sorted by, so their rows are written anew."""
NAMES = "identity_nodes"
OWNERS = "identity_sessions"
VERDICTS = "identity_quarantine_raw"  # decided anew
_NAMES, _BECOMES = "renewed_names", "renewed_nodes"
_WORKING = {
    _NAMES: "(namespace String, value String, fresh String) ENGINE = Memory",
    _BECOMES: "(node UInt64, fresh String, fresh_node UInt64) ENGINE = Join(ANY, LEFT, node) SETTINGS persistent = 0",
}
_MOST = 500_000  # contacts at a time: 100 bytes each, in memory
_IS_OLDER = (
    "namespace IN ('email', 'phone') AND match(value, '^([0-9]+[.])?[0-9a-f]{32}$') "
    "AND NOT startsWith(value, {mark:String})"
)
_OLDER = (
    "SELECT DISTINCT namespace, value FROM ("
    + " UNION ALL ".join(
        f"SELECT toString(name) AS namespace, value FROM {table} ARRAY JOIN mapKeys({column}) AS name, mapValues({column}) AS value"
        for table, columns in MAPS.items()
        for column in columns
    )
    + " UNION ALL SELECT toString(namespace) AS namespace, value FROM identity_nodes"
    + f") WHERE {_IS_OLDER} LIMIT {_MOST}"
)
_encode_lines = msgspec.json.Encoder().encode_lines
log = Log(__name__)


class Keyed(Protocol):
    """Knows the keys of contacts."""

    @property
    def generation(self) -> int:
        """How many keys there are."""

    def renewed(self, value: str) -> str:
        """A stored contact under the newest key; empty if it is none of these keys'."""

    def is_older(self, namespace: str, value: str) -> bool:
        """Whether it is a contact that is stored under older keys."""


def with_renewed(rules: IdentityRules, keyed: Keyed | None) -> IdentityRules:
    """Rules that block a contact by how it was stored under an older key, blocking it under the newest too."""
    if keyed is None or keyed.generation == 1 or not rules.blocked:
        return rules
    added = []
    for blocked in rules.blocked:
        namespace, colon, value = blocked.rpartition(":")
        fresh = keyed.renewed(value)
        if fresh not in ("", value):
            added.append(f"{namespace}{colon}{fresh}")
    return msgspec.structs.replace(rules, blocked=(*rules.blocked, *added))


class Renewal:
    """Brings what is stored under the newest key.

    Args:
        shards: the stitcher's own.
        keyed: the keys.
    """

    def __init__(self, shards: Shards, keyed: Keyed) -> None:
        self._shards = shards
        self._home = shards.sessions[0]
        self._keyed = keyed

    def is_due(self) -> bool:
        """Whether what was stored before was never brought under this key."""
        done = max(int(self._home.query("SELECT max(generation) FROM contact_generations")[0][0]), 1)
        if done > self._keyed.generation:
            log.error(
                "contacts are stored under %(stored)d keys, and contact_key gives %(given)d: who gives an e-mail address now is not met "
                "again. Put the older keys back behind the newest one",
                event="contact_keys_missing",
                stored=done,
                given=self._keyed.generation,
            )
        return done < self._keyed.generation

    def run(self, prolong: Callable[[], object]) -> int:
        """Bring everything under the newest key.

        Args:
            prolong: called now and then, to keep other stitchers away.

        Returns:
            How many contacts were under older ones.

        Raises:
            EngineError: ClickHouse broke off; it may be repeated.
        """
        renewed = 0
        with self._working_tables():
            while some := self._take():
                renewed += some
                self._renew(some, prolong)
                for name in _WORKING:
                    self._shards.run(f"TRUNCATE TABLE {name}")
        self._home.command(
            "INSERT INTO contact_generations VALUES ({generation:UInt16}, {at:DateTime64(3, 'UTC')})",
            {"generation": self._keyed.generation, "at": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S}"},
        )
        if renewed:
            log.info(
                "%(contacts)d e-mail addresses and phone numbers are stored under the newest key now",
                event="contacts_renewed",
                contacts=renewed,
            )
        return renewed

    def _renew(self, some: int, prolong: Callable[[], object]) -> None:
        """Renew what was noted, so many contacts.

        Events and names last: by them it is found again what is to be renewed, should this be broken off.
        """
        for table, columns in NODES.items():
            prolong()
            self._replace(table, columns)
        self._rename_owners()
        self._change(VERDICTS, "DELETE", " OR ".join(map(_is_old, ("node", "neighbour"))))
        for table, columns in MAPS.items():
            prolong()
            self._rename(table, columns)
        self._replace("identity_visits", ("node",))  # of events that were loaded meanwhile
        self._shards.still_hold(_NAMES, some)
        self._replace(NAMES, ("node",))

    @contextlib.contextmanager
    def _working_tables(self) -> Iterator[None]:
        self._drop()
        try:
            for name, rest in _WORKING.items():
                self._shards.run(f"CREATE TABLE {name} {rest}")
            yield
        finally:
            with contextlib.suppress(EngineError):  # in memory they do not last anyway
                self._drop()

    def _drop(self) -> None:
        for name in _WORKING:
            self._shards.run(f"DROP TABLE IF EXISTS {name} SYNC")

    def _take(self) -> int:
        """Note what some older contacts become; returns how many."""
        older = self._home.query(_OLDER, {"mark": f"{self._keyed.generation}."})
        rows = [(name, value, fresh) for name, value in older if (fresh := self._keyed.renewed(value))]
        if not rows:
            return 0
        body = _encode_lines(rows)
        for session in self._shards.sessions:
            session.insert_body(_NAMES, ["namespace", "value", "fresh"], body, "JSONCompactEachRow")
        self._shards.run(
            f"INSERT INTO {_BECOMES} SELECT sipHash64(namespace, '\\0', value), fresh, sipHash64(namespace, '\\0', fresh) FROM {_NAMES}"
        )
        return len(rows)

    def _rename(self, table: str, columns: tuple[str, ...]) -> None:
        """Put the new values in place of the old in maps of identifiers."""
        node = "sipHash64(name, '\\0', value)"
        fresh = self._becomes("fresh", node)
        changes = [
            f"{column} = CAST(mapApply((name, value) -> (name, if({fresh} = '', value, {fresh})), {column}), "
            "'Map(LowCardinality(String), String)')"
            for column in columns
        ]
        named = [
            f"arrayExists((name, value) -> {_is_old(node)}, mapKeys({column}), mapValues({column}))"
            for column in columns
        ]
        self._change(table, f"UPDATE {', '.join(changes)}", " OR ".join(named))

    def _replace(self, table: str, columns: tuple[str, ...]) -> None:
        """Write rows of the old nodes again with the new ones, then take the old rows out."""
        for session, own in self._shards.of(table):
            self._replace_on(session, own, columns, is_names=table == NAMES)

    def _replace_on(self, session: Session, table: str, columns: tuple[str, ...], *, is_names: bool) -> None:
        old = " OR ".join(map(_is_old, columns))
        if not session.query(f"SELECT count() FROM {table} WHERE {old}")[0][0]:
            return
        found = session.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
            "AND default_kind NOT IN ('MATERIALIZED', 'ALIAS') ORDER BY position",
            {"table": table},
        )
        names = [str(row[0]) for row in found]
        values = [self._renewed_node(name) if name in columns else name for name in names]
        if is_names:
            fresh = self._becomes("fresh", "node")
            values[names.index("value")] = f"if({fresh} = '', value, {fresh})"
        # What was seen together with itself in another generation says nothing.
        apart = (
            f" AND (node = neighbour OR {self._renewed_node('node')} != {self._renewed_node('neighbour')})"
            if "neighbour" in columns
            else ""
        )
        session.command(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table} WHERE ({old}){apart}"
        )
        _alter(session, table, "DELETE", old)

    def _rename_owners(self) -> None:
        change = f"UPDATE owners = arrayMap(one -> {self._renewed_node('one')}, owners)"
        self._change(OWNERS, change, f"arrayExists(one -> {_is_old('one')}, owners)")

    def _change(self, table: str, what: str, condition: str) -> None:
        for session, own in self._shards.of(table):
            _alter(session, own, what, condition)

    def _renewed_node(self, node: str) -> str:
        fresh = self._becomes("fresh_node", node)
        return f"if({fresh} = 0, {node}, {fresh})"

    def _becomes(self, column: str, node: str) -> str:
        return f"joinGet('{self._home.database}.{_BECOMES}', '{column}', {node})"


def _alter(session: Session, table: str, what: str, condition: str) -> None:
    session.command(f"ALTER TABLE {table} {what} WHERE {condition}", settings={"mutations_sync": 2})


def _is_old(node: str) -> str:
    return f"{node} IN (SELECT node FROM {_BECOMES})"
