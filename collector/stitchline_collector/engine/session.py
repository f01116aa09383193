"""A read-write conversation with ClickHouse: statements, rows in, rows out.

In: SQL, parameters, bodies of rows. Out: rows as tuples. Times come back aware, in UTC.
Guaranteed: only `EngineError` for ClickHouse's failures. Not thread-safe: one session per thread. A server session
keeps no state between statements (no temporary tables, no SET), so that any replica may answer the next one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stitchline_collector.engine.errors import mapped

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Without these an insert is not what the loader takes it for: since ClickHouse 26 a server queues it first (and forgets
# its token), and a body whose devices' clocks spread it over more than 100 months is refused, for ever.
_ALWAYS = {"async_insert": 0, "max_partitions_per_insert_block": 0}

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clickhouse_connect.driver.client import Client


class Rows(list[tuple[Any, ...]]):
    """The rows of an answer, a list of tuples, which also knows the names of its columns.

    Attributes:
        columns: one name per element of a row.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        super().__init__(tuple(row) for row in rows)
        self.columns = tuple(columns)

    def dicts(self) -> list[dict[str, Any]]:
        """Return each row as a dictionary by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self]


class Session:
    """One connection that may read and write; opened by `Engine.session`.

    Attributes:
        embedded: ClickHouse runs inside this process.
        database: ours.
    """

    def __init__(self, client: Client, where: str, database: str, *, embedded: bool) -> None:
        self._client = client
        self._where = where
        self.embedded = embedded
        self.database = database

    def command(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> Any:
        """Run one statement that returns nothing or one value.

        Args:
            sql: one statement; `{name:Type}` marks a parameter.
            parameters: values by name, bound by ClickHouse, never pasted.
            settings: ClickHouse settings for this statement only.

        Returns:
            The single value or row of a SELECT as text or int; an opaque summary otherwise.

        Raises:
            QueryError: ClickHouse refused it.
            EngineUnavailable: ClickHouse cannot be reached or is overloaded.
        """
        with mapped(self._where):
            return self._client.command(sql, parameters=_plain(parameters), settings=_plain(settings))

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> Rows:
        """Run one SELECT and return all its rows.

        Args:
            sql: one SELECT without FORMAT; `{name:Type}` marks a parameter.
            parameters: values by name.
            settings: ClickHouse settings for this statement only.

        Returns:
            The rows, with `.columns`.

        Raises:
            QueryError, EngineUnavailable: as for `command`.
        """
        with mapped(self._where):
            result = self._client.query(sql, parameters=_plain(parameters), settings=_plain(settings))
            return Rows(result.column_names, result.result_rows)

    def insert_body(
        self,
        table: str,
        columns: Sequence[str],
        body: bytes,
        fmt: str,
        compression: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Insert rows that are already written in one of ClickHouse's formats.

        Args:
            table: in this session's database, or `database.table`.
            columns: the columns the rows hold, in their order.
            body: the rows; several concatenated zstd frames are one body.
            fmt: e.g. `JSONCompactEachRow`.
            compression: `zstd`, `gzip`, or None. A server does not notice a torn last frame: check it before.
            settings: ClickHouse settings for this insert only. It is never queued, and may touch any number of partitions.

        Raises:
            DataRejected: a row is bad; none of the body's rows landed.
            QueryError: the table or a column is not there, or the body is no zstd.
            EngineUnavailable: retry the same body with the same token.
        """
        target = table if "." in table else f"{self.database}.{table}"
        with mapped(self._where, inserting=True):
            if self.embedded and compression == "zstd":
                # The engine would have the driver do it, which leaves a file open when the bytes are broken.
                body, compression = zstd.decompress(body), None
            self._client.raw_insert(
                target,
                column_names=columns,
                insert_block=body,
                fmt=fmt,
                compression=compression,
                settings=_ALWAYS | dict(settings or {}),
            )

    def close(self) -> None:
        """Close the connection; harmless when repeated."""
        self._client.close()


def _plain(mapping: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(mapping) if mapping else None
