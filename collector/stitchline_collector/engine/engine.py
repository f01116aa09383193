"""The door to ClickHouse: embedded in this process, or a server over HTTP.

In: a DSN. Out: sessions that read and write, and readers that can only read.
Guaranteed: the rest of the program need not know which of the two it is. The embedded engine lives as long as its
`Engine`; a server is first contacted by the first session, so a collector can start while ClickHouse is away.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Any, Self

import clickhouse_connect

from stitchline_collector.cluster import SETTINGS, Cluster
from stitchline_collector.engine import address
from stitchline_collector.engine.errors import EngineBusy, EngineError, EngineUnavailable, QueryError, mapped
from stitchline_collector.engine.reader import Reader, ReadLimits
from stitchline_collector.engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from clickhouse_connect.driver.client import Client

    from stitchline_collector.engine.address import Address

_READ_MARGIN_S = 15  # ClickHouse stops a read at its limit and must still have time to say so
_OTHER_PATH_HERE = "EmbeddedServer already initialized"


class Engine:
    """A ClickHouse and the database of it that is ours.

    Attributes:
        address: where it is; `str(engine.address)` holds no password.
        database: the name of our database.
        embedded: True when ClickHouse runs inside this process.
        cluster: how the database is spread over a cluster's shards; None on one machine.
    """

    def __init__(self, address: Address, connect_timeout_s: int, request_timeout_s: int) -> None:
        self.address = address
        self.database = address.database
        self.embedded = address.path is not None
        self.cluster = (
            Cluster(address.cluster, address.database, replicated=address.replicated)
            if address.cluster
            else None
        )
        self._shards = address.shards()
        self._connect_timeout_s = connect_timeout_s
        self._request_timeout_s = request_timeout_s
        # The embedded engine stops when its last connection closes: this one keeps it, and its merges, alive.
        self._anchor = self._connect("default", request_timeout_s) if self.embedded else None

    @classmethod
    def open(
        cls,
        dsn: str,
        *,
        database: str | None = None,
        cluster: str = "",
        connect_timeout_s: int = 5,
        request_timeout_s: int = 300,
    ) -> Self:
        """Open a ClickHouse.

        Args:
            dsn: `chdb:///abs/path`, or `clickhouse://user:pass@host:8123/db` (`clickhouses://` for TLS); see `address`.
            database: wins over the DSN's; `stitchline` without either.
            cluster: wins over the DSN's; one machine without either.
            connect_timeout_s: seconds to wait for a server's connection.
            request_timeout_s: seconds to wait for a server's answer.

        Returns:
            The engine. A server has not been contacted yet.

        Raises:
            ValueError: the DSN cannot be read.
            EngineBusy: another process holds the embedded engine's folder.
            EngineUnavailable: the embedded engine cannot start there.
        """
        return cls(address.parse(dsn, database, cluster), connect_timeout_s, request_timeout_s)

    def session(self, *, database: str | None = None, shard: int = 0) -> Session:
        """Open a connection that may read and write, for one thread.

        Args:
            database: another than ours, e.g. `default` while ours does not exist yet.
            shard: of a cluster, from 0.

        Raises:
            EngineUnavailable: the server cannot be reached.
            QueryError: the server refused user or password.
        """
        name = database or self.database
        where = self._shards[shard]
        client = self._connect(name, self._request_timeout_s, where)
        return Session(client, str(where), name, embedded=self.embedded)

    def reader(self, limits: ReadLimits | None = None, settings: Mapping[str, Any] | None = None) -> Reader:
        """Open a connection that can only read, for one thread.

        Args:
            limits: time, rows, bytes and memory of a statement; the defaults suit a person who waits.
            settings: ClickHouse's, by name, for all its statements; the limits win over them.

        Raises:
            EngineUnavailable, QueryError: as for `session`.
        """
        limits = limits or ReadLimits()
        client = self._connect(self.database, limits.time_s + _READ_MARGIN_S)
        return Reader(client, str(self.address), self.database, limits, settings)

    @property
    def shards(self) -> int:
        """How many servers there are, one by one; 1 when it is no cluster."""
        return len(self._shards)

    @property
    def others_by_hand(self) -> range:
        """The shards beside the first on which each dictionary must be loaded one by one: none where one statement loads it everywhere."""
        return range(1, 1 if self.cluster and self.cluster.replicated else self.shards)

    def reload(self, dictionary: str) -> str:
        """Return the statement that loads a dictionary, `database.name`, anew."""
        return self.cluster.reload(dictionary) if self.cluster else f"SYSTEM RELOAD DICTIONARY {dictionary}"

    @property
    def dictionary_credentials(self) -> str:
        """What a dictionary's `SOURCE(CLICKHOUSE(...))` needs to read our own tables: `USER '..' PASSWORD '..'`, or nothing."""
        if self.embedded or (self.address.user == "default" and not self.address.password):
            return ""
        return f"USER {_quoted(self.address.user)} PASSWORD {_quoted(self.address.password)}"

    def close(self) -> None:
        """Let the embedded engine go once its sessions are closed too; harmless when repeated."""
        if self._anchor is not None:
            self._anchor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, database: str, request_timeout_s: int, where: Address | None = None) -> Client:
        where = where or self.address
        common: dict[str, Any] = {"database": database, "tz_mode": "aware", "show_clickhouse_errors": "scrub"}
        with mapped(str(where)):
            if where.path is not None:
                return self._connect_embedded(where.path, common)
            return clickhouse_connect.get_client(
                host=where.host,
                port=where.port,
                username=where.user,
                password=where.password,
                secure=where.tls,
                interface="https" if where.tls else "http",
                connect_timeout=self._connect_timeout_s,
                send_receive_timeout=request_timeout_s,
                query_retries=0,
                # Without a session id nothing is left behind on the server, and a lost answer locks nothing.
                autogenerate_session_id=False,
                settings=dict(SETTINGS) if self.cluster else None,
                **common,
            )

    def _connect_embedded(self, path: Path, common: dict[str, Any]) -> Client:
        _have_room_for_import(path)
        try:
            return clickhouse_connect.get_client(interface="chdb", path=str(path), **common)
        except ImportError as error:
            raise QueryError(
                "the embedded engine is not installed: from a checkout, pip install '.[embedded]'"
            ) from error
        except clickhouse_connect.driver.exceptions.ProgrammingError as error:
            raise _cannot_open(path, error) from error


def _have_room_for_import(path: Path) -> None:
    """Give chdb a folder that it can write: when it is imported it opens an engine in the one for temporary files."""
    names = ("TMPDIR", "TMP", "TEMP", "TEMPDIR")  # as C++ looks for it: the first that is set, be it empty
    folder = next((os.environ[name] for name in names if name in os.environ), "/tmp")  # noqa: S108 (only asked about)
    if not os.access(folder or ".", os.W_OK) and os.access(path.parent, os.W_OK):
        path.mkdir(exist_ok=True)
        os.environ["TMPDIR"] = str(path)


def _cannot_open(path: Path, error: Exception) -> EngineError:
    if _OTHER_PATH_HERE in str(error):
        return EngineBusy(
            f"this process already has another embedded ClickHouse open, so not {path}: {error}"
        )
    if _is_held(path):
        return EngineBusy(
            f"another process holds the embedded ClickHouse at {path}, most likely a running collector: "
            "ask that one over HTTP (stitchline sql, POST /v1/sql) or stop it"
        )
    why = str(error).partition(", Stack trace")[0]
    return EngineUnavailable(
        f"the embedded ClickHouse cannot start at {path}: is the folder writable, and the disk not full? {why}"
    )


def _is_held(path: Path) -> bool:
    """Whether a process has the folder open: the engine locks its `status` file, and says no more than "error"."""
    try:
        with (path / "status").open("rb") as status:
            fcntl.flock(status, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
