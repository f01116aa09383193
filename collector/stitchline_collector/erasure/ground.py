"""The places in ClickHouse while somebody is looked up in them: counted, read, emptied.

Enters: the shards and a subject. Leaves: rows by place. Guaranteed: what is emptied is gone from the disk and not only masked: parts
are rewritten, written through to the disk, and the old ones removed before it returns. On a cluster each shard does that with its own
rows, by tables in its own memory.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import msgspec

from ..cluster import local
from ..engine import EngineError, EngineUnavailable, Session, Shards
from ..stitch.statements import array
from ..suppression.named import named
from .places import EVENTS_TABLE, FAILURES_TABLE, KEPT_TABLE, NODES_TABLE, PREFIX, WORKING, Place, tables
from .subject import EVENTS, Subject

_encode_lines = msgspec.json.Encoder().encode_lines
_PAGE_ROWS = 10_000
_PARTS_GO_WITHIN_S = 120.0
_LOOK_EVERY_S = 0.1
# Old parts go at once instead of eight minutes later; so what takes their place must not wait in memory to be written.
_AT_ONCE = "old_parts_lifetime = 0, min_rows_to_fsync_after_merge = 1"
_AS_BEFORE = "old_parts_lifetime, min_rows_to_fsync_after_merge"
_NOTHING = "no-such-partition"  # to drop it makes the engine look for parts that may go
_FAILED = """
SELECT failure_id, toString(received_at), raw FROM failed_events_raw
WHERE (received_at, failure_id) > (parseDateTime64BestEffort({after:String}, 3, 'UTC'), {id:UUID})
ORDER BY received_at, failure_id LIMIT {rows:UInt32}
"""


class Ground:
    """The tables, with somebody looked up.

    Args:
        shards: to read and write.
        subject: who.
        stored: gives contacts as they are stored.
    """

    def __init__(self, shards: Shards, subject: Subject, stored: Callable[[str, str], str]) -> None:
        self._shards = shards
        self._home = shards.sessions[0]
        self._subject = subject
        self._stored = stored

    @contextlib.contextmanager
    def staked(self) -> Iterator[None]:
        """Have somebody's identifiers, events and rejections in the tables that the places are asked with.

        Raises:
            EngineUnavailable: at its end: they were lost meanwhile, so what was counted, read and emptied is not all.
        """
        self._shards.deliver()
        self._halt()
        self._drop()
        try:
            for name, columns in WORKING.items():
                self._shards.run(f"CREATE TABLE {name} ({columns}) ENGINE = Memory")
            self._fill()
            yield
            self._shards.still_hold(NODES_TABLE, len(self._subject.nodes))
        finally:
            with contextlib.suppress(EngineError):  # in memory they do not last anyway
                self._drop()

    def count(self, place: Place) -> int:
        """Rows of a place that tell of them."""
        return sum(_count(session, table, place) for session, table in self._shards.of(place.table))

    def read(self, place: Place) -> list[str]:
        """The same, a JSON object each; copies that wait for a merge count once."""
        return [
            line for session, table in self._shards.of(place.table) for line in _read(session, table, place)
        ]

    def empty(self, place: Place, prolong: Callable[[], object]) -> None:
        """Take them out of a place; returns when its parts are rewritten.

        Args:
            place: which.
            prolong: called before each server's share, to keep other stitchers away.
        """
        what = f"UPDATE {place.change}" if place.change else "DELETE"
        for session, table in self._shards.of(place.table):
            prolong()
            if _count(session, table, place):
                session.command(
                    f"ALTER TABLE {table} {what} WHERE {place.condition}", settings={"mutations_sync": 2}
                )

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Have old parts go at once, in all tables that tell of people."""
        try:
            for session, table in self._everything():
                session.command(f"ALTER TABLE {table} MODIFY SETTING {_AT_ONCE}")
            yield
        finally:
            for session, table in self._everything():
                session.command(f"ALTER TABLE {table} RESET SETTING {_AS_BEFORE}")

    def sweep(self) -> None:
        """Remove parts that were replaced or dropped, also before this erasure.

        Raises:
            EngineUnavailable: questions that still run hold some of them.
        """
        deadline = time.monotonic() + _PARTS_GO_WITHIN_S
        for session, table in self._everything():
            while True:
                session.command(f"ALTER TABLE {table} DROP PARTITION ID '{_NOTHING}'")
                left = session.query(
                    "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND NOT active",
                    {"table": table},
                )
                if not left[0][0]:
                    break
                if time.monotonic() > deadline:
                    raise EngineUnavailable(f"questions that still run hold old parts of {table}")
                time.sleep(_LOOK_EVERY_S)

    def _everything(self) -> list[tuple[Session, str]]:
        return [one for table in tables() for one in self._shards.of(table)]

    def _halt(self) -> None:
        """Have no change of an earlier erasure go on, which was broken off: it would take these for whom it is to erase."""
        for session in self._shards.sessions:
            session.command(
                f"KILL MUTATION WHERE database = '{session.database}' AND NOT is_done AND position(command, '{PREFIX}') > 0 SYNC"
            )

    def _drop(self) -> None:
        for name in WORKING:
            self._shards.run(f"DROP TABLE IF EXISTS {name} SYNC")

    def _fill(self) -> None:
        subject = self._subject
        names = {node: (namespace, value) for namespace, value, node in subject.identifiers}
        nodes = [[node, *names.get(node, ("", ""))] for node in subject.nodes]
        kept = [list(one) for one in subject.kept]
        for session in self._shards.sessions:
            _insert(session, NODES_TABLE, ["node", "namespace", "value"], nodes)
            _insert(session, KEPT_TABLE, ["event_id", "day", "device_id"], kept)
            # What is not sharded is asked with all their events, the others' rows with the events beside them.
            named = (lambda name: name) if session is self._home else local
            asked = EVENTS.format(
                columns="toYYYYMMDD(device_time), device_id, device_time, event_id",
                events=named("person_events_by_device"),
                visits=named("identity_visits"),
                nodes=array(subject.sources),
                persons=array(subject.persons),
            )
            session.command(f"INSERT INTO {EVENTS_TABLE} {asked}")
        _insert(self._home, FAILURES_TABLE, ["failure_id"], [[one] for one in self._failures()])

    def _failures(self) -> Iterator[str]:
        """Rejected events in whose bytes somebody is named."""
        values = {value for _, value, _ in self._subject.identifiers}
        after, failure_id = "1970-01-01 00:00:00", "00000000-0000-0000-0000-000000000000"
        while True:
            rows = self._home.query(_FAILED, {"after": after, "id": failure_id, "rows": _PAGE_ROWS})
            for one, _, raw in rows:
                body = raw if isinstance(raw, bytes) else str(raw).encode()
                if any(value in values for value in named(body, self._stored)):
                    yield str(one)
            if len(rows) < _PAGE_ROWS:
                return
            failure_id, after = str(rows[-1][0]), str(rows[-1][1])


def _count(session: Session, table: str, place: Place) -> int:
    return int(session.query(f"SELECT count() FROM {table} WHERE {place.condition}")[0][0])


def _read(session: Session, table: str, place: Place) -> list[str]:
    engine = session.query(
        "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
        {"table": table},
    )
    final = "" if engine[0][0] in ("MergeTree", "ReplicatedMergeTree") else "FINAL"
    rows = session.query(
        f"SELECT formatRowNoNewline('JSONEachRow', *) FROM {table} {final} WHERE {place.condition}"
    )
    return [str(row[0]) for row in rows]


def _insert(session: Session, table: str, columns: list[str], rows: list[list[object]]) -> None:
    if rows:
        session.insert_body(table, columns, _encode_lines(rows), "JSONCompactEachRow")
