"""What can go wrong with ClickHouse, mapped once.

    EngineError
    ├── EngineUnavailable   retry later, unchanged: network, overload, out of memory, restarting
    ├── EngineBusy          another process holds the embedded engine's path: ask that process
    ├── DataRejected        the rows of this insert are bad: the same bytes will never load
    └── QueryError          the statement is wrong, not allowed, or over a limit

In: whatever the driver raises. Out: one of these, with ClickHouse's code and a message without the driver's noise.
Guaranteed: nothing but `EngineError` leaves the engine because of ClickHouse; the original is its `__cause__`.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError
from urllib3.exceptions import HTTPError

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError
else:
    from backports.zstd import ZstdError

if TYPE_CHECKING:
    from collections.abc import Iterator


class EngineError(Exception):
    """ClickHouse did not do what was asked.

    Attributes:
        code: ClickHouse's error code; 0 where the failure is not ClickHouse's own.
        message: what was wrong, in ClickHouse's words.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    @property
    def reason(self) -> str:
        """What was wrong in one of a few words, for a metric's label."""
        if not self.code:
            return "unreachable" if isinstance(self, EngineUnavailable) else "other"
        return (RETRY_LATER | RETRY_INSERT_LATER | DATA_ERRORS | REFUSED).get(self.code, "other").lower()


class EngineUnavailable(EngineError):
    """ClickHouse cannot do it now; the same request may work later."""


class EngineBusy(EngineError):
    """Another process holds the embedded engine's path."""


class DataRejected(EngineError):
    """The rows of an insert are bad; sending them again unchanged fails again."""


class QueryError(EngineError):
    """The statement is wrong, not allowed, or needs more than its limits."""


TIMEOUT_EXCEEDED = 159

# The names are ClickHouse's own; a test compares them with errorCodeToName().
DATA_ERRORS = {
    6: "CANNOT_PARSE_TEXT",
    25: "CANNOT_PARSE_ESCAPE_SEQUENCE",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    32: "ATTEMPT_TO_READ_AFTER_EOF",
    33: "CANNOT_READ_ALL_DATA",
    38: "CANNOT_PARSE_DATE",
    41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    128: "TOO_LARGE_ARRAY_SIZE",
    130: "CANNOT_READ_ARRAY_FROM_TEXT",
    131: "TOO_LARGE_STRING_SIZE",
    306: "TOO_DEEP_RECURSION",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    376: "CANNOT_PARSE_UUID",
    407: "DECIMAL_OVERFLOW",
    467: "CANNOT_PARSE_BOOL",
    469: "VIOLATED_CONSTRAINT",
    563: "CANNOT_READ_MAP_FROM_TEXT",
}

RETRY_LATER = {
    3: "UNEXPECTED_END_OF_FILE",
    95: "CANNOT_READ_FROM_SOCKET",
    96: "CANNOT_WRITE_TO_SOCKET",
    173: "CANNOT_ALLOCATE_MEMORY",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    265: "NO_AVAILABLE_REPLICA",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    297: "SHARD_HAS_NO_CONNECTIONS",
    319: "UNKNOWN_STATUS_OF_INSERT",
    364: "RECEIVED_ERROR_TOO_MANY_REQUESTS",
    373: "SESSION_IS_LOCKED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    473: "DEADLOCK_AVOIDED",
    519: "NO_REMOTE_SHARD_AVAILABLE",
    574: "DISTRIBUTED_TOO_MANY_PENDING_BYTES",
    700: "USER_SESSION_LIMIT_EXCEEDED",
    733: "TABLE_IS_BEING_RESTARTED",
    745: "SERVER_OVERLOADED",
    749: "TCP_CONNECTION_LIMIT_REACHED",
    999: "KEEPER_EXCEPTION",
}

# What an operator can cause and mend while the collector runs.
REFUSED = {
    16: "NO_SUCH_COLUMN_IN_TABLE",
    47: "UNKNOWN_IDENTIFIER",
    60: "UNKNOWN_TABLE",
    81: "UNKNOWN_DATABASE",
    164: "READONLY",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
}

# Over a limit: a query's own fault, but an insert's bad luck, because the loader's inserts are small and alike.
RETRY_INSERT_LATER = {
    TIMEOUT_EXCEEDED: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",
    241: "MEMORY_LIMIT_EXCEEDED",
    394: "QUERY_WAS_CANCELLED",
}

_NOISE = re.compile(
    r"Received ClickHouse exception, code: \d+, server response: |HTTP driver received HTTP status \d+, server response: "
    r"|: In scope SELECT formatQuerySingleLine\(.*\)(?=\. \()|Code: \d+\. DB::Exception: |\s*\(version [^()]*(?:\([^()]*\))?\)|\s*\(for url [^()]*\)",
    re.DOTALL,
)
_CODE = re.compile(r"Code: (\d+)")
_ZSTD_DECODER_FAILED = 561
_QUOTED_ROW = re.compile(r"(?: before: '| here: ).*?(?=: \(while|\Z)", re.DOTALL)
_ROW_DUMP = re.compile(r"\n(?::\s*)?\n?Row \d+:|: Buffer has gone")
_ENDED_EARLY = {32, 33}  # ATTEMPT_TO_READ_AFTER_EOF, CANNOT_READ_ALL_DATA
_FROM_SHARD = re.compile(r"while receiving packet from \S+, local address")

# Every failure reaches the caller as an exception; the driver would log it, with a traceback, a second time.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)


@contextmanager
def mapped(where: str, *, inserting: bool = False) -> Iterator[None]:
    """Turn what the driver raises into an `EngineError`.

    Args:
        where: the engine's address without secrets, for messages about reaching it.
        inserting: bad data is the rows' fault only in an insert.

    Raises:
        EngineError: one of its subclasses, the driver's exception as its cause.
    """
    try:
        yield
    except (ClickHouseError, HTTPError, OSError, ZstdError) as error:
        raise _translated(error, where, inserting=inserting) from error


def _translated(error: Exception, where: str, *, inserting: bool) -> EngineError:
    code, message = _said(error)
    if code in RETRY_LATER or (inserting and code in RETRY_INSERT_LATER):
        return EngineUnavailable(message, code)
    if inserting and code in DATA_ERRORS and not _is_of_a_shard_that_went_away(code, message):
        return DataRejected(message, code)
    if inserting and code in DATA_ERRORS:
        return EngineUnavailable(message, code)
    if code:
        return QueryError(message, code)
    if isinstance(error, (OperationalError, DatabaseError, HTTPError, OSError)):
        return EngineUnavailable(f"ClickHouse at {where} does not answer: {_deepest(error)}")
    return QueryError(message)


def _is_of_a_shard_that_went_away(code: int, message: str) -> bool:
    """Whether an answer of another shard ended too early, and not a row.

    Taken for a bad row, the segment would be sent in parts, under other tokens than the shard knows that took its own already.
    """
    return code in _ENDED_EARLY and _FROM_SHARD.search(message) is not None


def _said(error: Exception) -> tuple[int, str]:
    """ClickHouse's code, 0 if it has none, and its message."""
    if isinstance(error, ZstdError):
        return _ZSTD_DECODER_FAILED, str(
            error
        )  # decompressed on this side, before the embedded engine sees it
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        # The embedded engine quotes a bad row in its message, and bytes that are no UTF-8 hide it from the driver.
        text = cause.object.decode(errors="backslashreplace")
        found = _CODE.search(text)
        return int(found[1]) if found else 0, _message(Exception(text))
    return getattr(error, "code", None) or 0, _message(error)


def _message(error: BaseException) -> str:
    """ClickHouse's own sentence: no version, no address, and no dump of the row, which may hold a person's data."""
    return _NOISE.sub("", _QUOTED_ROW.sub("", _ROW_DUMP.split(str(error))[0])).strip().rstrip(":").rstrip()


def _deepest(error: BaseException) -> str:
    """The operating system's word, e.g. `Connection refused`, below the driver's layers."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return _message(error) or type(error).__name__
