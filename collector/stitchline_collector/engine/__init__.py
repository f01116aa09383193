"""ClickHouse behind one door: embedded or a server, the same sessions, readers and errors for both."""

from __future__ import annotations

from stitchline_collector.engine.engine import Engine
from stitchline_collector.engine.errors import (
    DATA_ERRORS,
    TIMEOUT_EXCEEDED,
    DataRejected,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    QueryError,
)
from stitchline_collector.engine.reader import Reader, ReadLimits
from stitchline_collector.engine.session import Rows, Session
from stitchline_collector.engine.shards import Shards

__all__ = [
    "DATA_ERRORS",
    "TIMEOUT_EXCEEDED",
    "DataRejected",
    "Engine",
    "EngineBusy",
    "EngineError",
    "EngineUnavailable",
    "QueryError",
    "ReadLimits",
    "Reader",
    "Rows",
    "Session",
    "Shards",
]
