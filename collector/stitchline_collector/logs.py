"""The collector's log: lines for a reader, or one JSON object a line.

Enters: what the rooms say, an event with its fields and words made of them, and the records of every library. Leaves: stderr. Guaranteed:
in JSON whatever Python writes there is an object on one line, tracebacks, warnings and the last words of a failed start included.

The name of an event and of a field is a promise to whoever searches for it; the words are not. docs/logs.md is written from the calls.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import threading
from collections.abc import Mapping
from multiprocessing import current_process
from types import TracebackType
from typing import Literal

LogFormat = Literal["text", "json"]
OF_EVERY_LINE = ("time", "level", "process", "pid", "logger", "event", "message", "exception")
_OURS = __name__.partition(".")[0]


class Log:
    """What a room says.

    Args:
        name: The module's.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, words: str, *, event: str, **fields: object) -> None:
        """Say what an operator may want to know.

        Args:
            words: For readers, with the fields as `%(name)s`.
            event: What happened, in a few words that never change.
            fields: Of what; units in their names. Nothing of a person, and no key.
        """
        self._say(logging.INFO, words, event, fields)

    def warning(self, words: str, *, event: str, **fields: object) -> None:
        """Say what will be well again by itself."""
        self._say(logging.WARNING, words, event, fields)

    def error(self, words: str, *, event: str, **fields: object) -> None:
        """Say what somebody has to look at."""
        self._say(logging.ERROR, words, event, fields)

    def exception(self, words: str, *, event: str, **fields: object) -> None:
        """Say what nobody expected, with the traceback of the exception that is being handled."""
        self._say(logging.ERROR, words, event, fields, with_traceback=True)

    def _say(
        self,
        level: int,
        words: str,
        event: str,
        fields: Mapping[str, object],
        *,
        with_traceback: bool = False,
    ) -> None:
        self._logger.log(level, words, {"event": event, **fields}, exc_info=with_traceback)


class _Text(logging.Formatter):
    """`2026-11-26T01:02:03.456Z WARNING stitchline_collector.load.loader: ...`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 -- the base's name
        del datefmt
        return _time(record)


class _Json(logging.Formatter):
    """An object on one line, in ASCII, so that no byte of it depends on where it is read."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "process": record.processName,
            "pid": record.process,
            "logger": record.name,
            "event": "library",
            "message": record.getMessage(),
        }
        if isinstance(record.args, Mapping) and record.name.partition(".")[0] == _OURS:
            line |= record.args
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(form: LogFormat, process: str) -> None:
    """Write all logs of this process and of those that it will fork to stderr.

    Args:
        form: How.
        process: What this one is called in them.
    """
    call_process(process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    if form == "json":
        logging.captureWarnings(capture=True)
        sys.excepthook = _uncaught
        threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def call_process(name: str) -> None:
    """Give this process a name in the log."""
    current_process().name = name


def _uncaught(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    exception = (kind, error or kind(), traceback)
    logging.getLogger(__name__).critical(
        "a defect: %(error)s", {"event": "uncaught", "error": error}, exc_info=exception
    )


def _time(record: logging.LogRecord) -> str:
    moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
