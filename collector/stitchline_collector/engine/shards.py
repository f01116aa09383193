"""The servers that a database lies on, one session each, to run a statement where a table's rows are.

Enters: sessions, the first shard's first. Leaves: the same, by table. Guaranteed: on one machine it is that one session and the table's
own name, so that whoever works by it need not know of clusters. Not thread-safe, as its sessions are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stitchline_collector.cluster import local
from stitchline_collector.engine.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stitchline_collector.engine.session import Session


class Shards:
    """Sessions at all servers.

    Args:
        sessions: one a shard.
        is_cluster: tables are spread over them, or could be.

    Attributes:
        sessions: the first is home to what is not sharded.
    """

    def __init__(self, sessions: Sequence[Session], *, is_cluster: bool) -> None:
        self.sessions = sessions
        self._is_cluster = is_cluster

    def of(self, table: str) -> list[tuple[Session, str]]:
        """Return where rows of a table lie, and what it is called there."""
        own = local(table) if self._is_cluster else table
        return [(session, own) for session in (self.sessions if own != table else self.sessions[:1])]

    def run(self, sql: str) -> None:
        """Run one statement on each."""
        for session in self.sessions:
            session.command(sql)

    def deliver(self) -> None:
        """Have what lies in queues between the servers sent: rows that somebody inserted through a door without waiting.

        Raises:
            EngineError: some cannot be sent now.
        """
        for session in self.sessions if self._is_cluster else ():
            waiting = session.query(
                "SELECT table FROM system.distribution_queue WHERE database = currentDatabase() AND data_files > 0"
            )
            for (table,) in waiting:
                session.command(f"SYSTEM FLUSH DISTRIBUTED {session.database}.{table}")

    def still_hold(self, table: str, rows: int) -> None:
        """Make sure that a table in memory was never lost since it was filled: a server that was restarted has it, and nothing in it.

        Raises:
            EngineUnavailable: one was restarted; what it was asked by that table is not answered, and what was to be done not done.
        """
        for session in self.sessions:
            if session.query(f"SELECT count() FROM {table}")[0][0] != rows:  # noqa: S608 (our own name)
                raise EngineUnavailable("a ClickHouse server was restarted meanwhile")

    def close(self) -> None:
        """Close all sessions."""
        for session in self.sessions:
            session.close()
