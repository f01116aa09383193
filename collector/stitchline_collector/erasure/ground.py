"""The places in ClickHouse while somebody is looked up in them: counted, read, emptied.

Enters: a session and a subject. Leaves: rows by place. Guaranteed: what is emptied is gone from the disk and not only masked: parts
are rewritten, written through to the disk, and the old ones removed before it returns.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import msgspec

from ..engine import EngineError, EngineUnavailable, Session
from ..stitch.statements import array
from ..suppression import named
from .places import EVENTS_TABLE, FAILURES_TABLE, KEPT_TABLE, NODES_TABLE, WORKING, Place, tables
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
        session: to read and write.
        subject: who.
        stored: gives contacts as they are stored.
    """

    def __init__(self, session: Session, subject: Subject, stored: Callable[[str, str], str]) -> None:
        self._session = session
        self._subject = subject
        self._stored = stored

    @contextlib.contextmanager
    def staked(self) -> Iterator[None]:
        """Have somebody's identifiers, events and rejections in the tables that the places are asked with."""
        self._drop()
        try:
            for name, columns in WORKING.items():
                self._session.command(f"CREATE TABLE {name} ({columns}) ENGINE = Memory")
            self._fill()
            yield
        finally:
            with contextlib.suppress(EngineError):  # in memory they do not last anyway
                self._drop()

    def count(self, place: Place) -> int:
        """Rows of a place that tell of them."""
        sql = f"SELECT count() FROM {place.table} WHERE {place.condition}"
        return int(self._session.query(sql)[0][0])

    def read(self, place: Place) -> list[str]:
        """The same, a JSON object each; copies that wait for a merge count once."""
        asked = {"table": place.table}
        engine = self._session.query(
            "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
            asked,
        )
        final = "" if engine[0][0] == "MergeTree" else "FINAL"
        rows = self._session.query(
            f"SELECT formatRowNoNewline('JSONEachRow', *) FROM {place.table} {final} WHERE {place.condition}"
        )
        return [str(row[0]) for row in rows]

    def empty(self, place: Place) -> None:
        """Take them out of a place; returns when its parts are rewritten."""
        what = f"UPDATE {place.change}" if place.change else "DELETE"
        self._session.command(
            f"ALTER TABLE {place.table} {what} WHERE {place.condition}", settings={"mutations_sync": 2}
        )

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Have old parts go at once, in all tables that tell of people."""
        try:
            for table in tables():
                self._session.command(f"ALTER TABLE {table} MODIFY SETTING {_AT_ONCE}")
            yield
        finally:
            for table in tables():
                self._session.command(f"ALTER TABLE {table} RESET SETTING {_AS_BEFORE}")

    def sweep(self) -> None:
        """Remove parts that were replaced or dropped, also before this erasure.

        Raises:
            EngineUnavailable: questions that still run hold some of them.
        """
        deadline = time.monotonic() + _PARTS_GO_WITHIN_S
        for table in tables():
            while True:
                self._session.command(f"ALTER TABLE {table} DROP PARTITION ID '{_NOTHING}'")
                left = self._session.query(
                    "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND NOT active",
                    {"table": table},
                )
                if not left[0][0]:
                    break
                if time.monotonic() > deadline:
                    raise EngineUnavailable(f"questions that still run hold old parts of {table}")
                time.sleep(_LOOK_EVERY_S)

    def _drop(self) -> None:
        for name in WORKING:
            self._session.command(f"DROP TABLE IF EXISTS {name} SYNC")

    def _fill(self) -> None:
        subject = self._subject
        names = {node: (namespace, value) for namespace, value, node in subject.identifiers}
        self._insert(
            NODES_TABLE,
            ["node", "namespace", "value"],
            [[node, *names.get(node, ("", ""))] for node in subject.nodes],
        )
        asked = EVENTS.format(
            columns="toYYYYMMDD(device_time), device_id, device_time, event_id",
            nodes=array(subject.sources),
            persons=array(subject.persons),
        )
        self._session.command(f"INSERT INTO {EVENTS_TABLE} {asked}")
        self._insert(KEPT_TABLE, ["event_id", "day", "device_id"], [list(one) for one in subject.kept])
        self._insert(FAILURES_TABLE, ["failure_id"], [[one] for one in self._failures()])

    def _failures(self) -> Iterator[str]:
        """Rejected events in whose bytes somebody is named."""
        values = {value for _, value, _ in self._subject.identifiers}
        after, failure_id = "1970-01-01 00:00:00", "00000000-0000-0000-0000-000000000000"
        while True:
            rows = self._session.query(_FAILED, {"after": after, "id": failure_id, "rows": _PAGE_ROWS})
            for one, _, raw in rows:
                body = raw if isinstance(raw, bytes) else str(raw).encode()
                if any(value in values for value in named(body, self._stored)):
                    yield str(one)
            if len(rows) < _PAGE_ROWS:
                return
            failure_id, after = str(rows[-1][0]), str(rows[-1][1])

    def _insert(self, table: str, columns: list[str], rows: list[list[object]]) -> None:
        if rows:
            self._session.insert_body(table, columns, _encode_lines(rows), "JSONCompactEachRow")
