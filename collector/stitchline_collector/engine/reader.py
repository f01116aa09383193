"""A conversation that can only read, within limits, for good.

In: SELECTs, our own or a stranger's. Out: rows, or bytes in any of ClickHouse's formats.
Guaranteed: nothing is written, no file or address outside the database is read, and no statement can lift the limits
of time, memory and size. Not thread-safe: one reader per thread.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stitchline_collector.engine import statement
from stitchline_collector.engine.errors import TIMEOUT_EXCEEDED, QueryError, mapped
from stitchline_collector.engine.session import Rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from clickhouse_connect.driver.client import Client

_FORMAT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_OWN_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)$")
_STREAMED = ("SELECT", "WITH", "(")  # the embedded engine streams no SHOW, DESCRIBE, EXISTS and EXPLAIN
_CHUNK_BYTES = 1024 * 1024
_READ_FORMATTED = "SELECT formatQuerySingleLine({sql:String})"


@dataclass(frozen=True)
class ReadLimits:
    """What one read may cost.

    Attributes:
        time_s: seconds a statement may run.
        result_rows: rows an answer may have.
        result_bytes: bytes an answer may have, before formatting.
        memory_bytes: memory a statement may use inside ClickHouse.
        read_bytes: bytes a statement may read from disk, uncompressed.
    """

    time_s: int = 30
    result_rows: int = 1_000_000
    result_bytes: int = 256 * 1024**2
    memory_bytes: int = 2 * 1024**3
    read_bytes: int = 200 * 1024**3

    def settings(self) -> dict[str, Any]:
        """Return them as ClickHouse settings; `readonly` is last, because nothing can be set after it."""
        return {
            "max_execution_time": self.time_s,
            "max_result_rows": self.result_rows,
            "max_result_bytes": self.result_bytes,
            "result_overflow_mode": "throw",
            "max_memory_usage": self.memory_bytes,
            "max_bytes_to_read": self.read_bytes,
            "read_overflow_mode": "throw",
            "timeout_overflow_mode": "throw",
            "readonly": 1,
        }


class Escaped:
    """A parameter as ClickHouse's HTTP interface takes it: already escaped, and handed on as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


class Reader:
    """One connection that can only read; opened by `Engine.reader`."""

    def __init__(
        self,
        client: Client,
        where: str,
        database: str,
        limits: ReadLimits,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._where = where
        self.database = database
        self.limits = limits
        with mapped(where):
            # The limits come last: whatever stands before them, they hold.
            for name, value in {**(settings or {}), **limits.settings()}.items():
                client.set_client_setting(name, value)
            names = client.query("SELECT lower(name) FROM system.table_functions").result_columns
        self._table_functions = frozenset(names[0] if names else ())

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Run one of our own SELECTs.

        Args:
            sql: trusted text, without FORMAT; `{name:Type}` marks a parameter.
            parameters: values by name, bound by ClickHouse; they may come from anyone.

        Returns:
            The rows, with `.columns`.

        Raises:
            QueryError: refused, or over a limit.
            EngineUnavailable: ClickHouse cannot be reached or is overloaded.
        """
        with self._clear_about_time():
            result = self._client.query(sql, parameters=dict(parameters) if parameters else None)
            return Rows(result.column_names, result.result_rows)

    def raw(self, sql: str, fmt: str = "JSON", parameters: Mapping[str, Any] | None = None) -> bytes:
        """Run a statement of anybody's and return the answer as ClickHouse formats it.

        Args:
            sql: one SELECT, SHOW, DESCRIBE, EXISTS or EXPLAIN, a last `;` and comments allowed, without FORMAT.
            fmt: any of ClickHouse's output formats.
            parameters: values by name for `{name:Type}`.

        Returns:
            The whole answer.

        Raises:
            QueryError: refused, wrong, or over a limit; `code` is ClickHouse's.
            EngineUnavailable: ClickHouse cannot be reached or is overloaded.
        """
        if not _FORMAT_NAME.fullmatch(fmt):
            raise QueryError(f"{fmt!r} is no format: name one of ClickHouse's, e.g. JSON or CSVWithNames", 73)
        with self._clear_about_time():
            canonical = self._canonical(sql)
            statement.check(canonical, self._table_functions)
            if _OWN_FORMAT.search(canonical):
                raise QueryError("leave FORMAT out of the statement: the format is asked for beside it", 62)
            return self._client.raw_query(
                canonical, parameters=dict(parameters) if parameters else None, fmt=fmt
            )

    def read(self, sql: str) -> tuple[str, str]:
        """Read a statement of anybody's as ClickHouse does, and refuse what `raw` refuses.

        Args:
            sql: as for `raw`, but a FORMAT may stand at its end.

        Returns:
            The statement in ClickHouse's own spelling, without its FORMAT, and that format; empty if it names none.

        Raises:
            QueryError, EngineUnavailable: as for `raw`.
        """
        with self._clear_about_time():
            canonical = statement.check(self._canonical(sql), self._table_functions)
        named = _OWN_FORMAT.search(canonical)
        return (canonical[: named.start()], named[1]) if named else (canonical, "")

    def stream(
        self, canonical: str, fmt: str, parameters: Mapping[str, str] | None = None
    ) -> Generator[bytes, None, None]:
        """Run a statement that `read` let pass and yield the answer as it comes.

        Args:
            canonical: what `read` returned.
            fmt: any of ClickHouse's output formats. One with a head or an end (JSON, Parquet) comes in one piece.
            parameters: values by name, escaped as in ClickHouse's HTTP interface.

        Yields:
            Parts of the answer. Until the last is taken or the iterator closed, the reader does nothing else.

        Raises:
            QueryError, EngineUnavailable: as for `raw`, at the first part or at a later one.
        """
        if not _FORMAT_NAME.fullmatch(fmt):
            raise QueryError(f"Unknown format {fmt}", 73)
        values = {name: Escaped(value) for name, value in (parameters or {}).items()}
        with self._clear_about_time():
            if not canonical.upper().startswith(_STREAMED):
                yield self._client.raw_query(canonical, parameters=values or None, fmt=fmt)
                return
            with self._client.raw_stream(canonical, parameters=values or None, fmt=fmt) as parts:
                while part := parts.read(_CHUNK_BYTES):
                    yield part

    def close(self) -> None:
        """Close the connection; harmless when repeated."""
        self._client.close()

    def _canonical(self, sql: str) -> str:
        result = self._client.query(_READ_FORMATTED, parameters={"sql": sql})
        return str(result.result_rows[0][0])

    @contextmanager
    def _clear_about_time(self) -> Iterator[None]:
        try:
            with mapped(self._where):
                yield
        except QueryError as error:
            if error.code != TIMEOUT_EXCEEDED:
                raise
            raise QueryError(
                f"stopped after {self.limits.time_s} s: ask for less, e.g. fewer days", TIMEOUT_EXCEEDED
            ) from error
