"""ClickHouse as the collector sees it: away at first, perhaps, and then open and migrated.

Guaranteed: nobody gets a connection before the migrations are applied.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from .engine import Engine, EngineError, EngineUnavailable, Reader, ReadLimits, Session
from .journeys import prepare
from .logs import Log
from .migrate import MigrationEdited, apply

RETRY_S = 2.0
FIRST_ANSWER_WITHIN_S = 10.0
END_WITHIN_S = 5.0
_FOR_GOOD = ("authentication_failed", "access_denied", "other")
log = Log(__name__)


class Warehouse:
    """Opens the engine once it can be opened.

    Args:
        dsn: Where ClickHouse is.
        limits: What one read of `/v1/sql` may cost.
        journey: The text of `journey.toml`; None for the one given last.
        also: What to do once the schema is current, before anybody gets a connection.
    """

    def __init__(
        self,
        dsn: str,
        limits: ReadLimits,
        journey: str | None = None,
        also: Callable[[Engine], None] = lambda _: None,
    ) -> None:
        self._dsn = dsn
        self._journey = journey
        self._also = also
        self._limits = limits
        self._engine: Engine | None = None
        self._migrated = threading.Event()
        self._closing = threading.Event()
        self._tried = threading.Event()  # ClickHouse has answered, or has been found to be away
        self._why: EngineError = EngineUnavailable("ClickHouse has not answered yet")
        self._is_starting = True  # somebody waits for the first answer
        self._refused: Exception | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """Whether ClickHouse has answered and its schema is current."""
        return self._migrated.is_set()

    @property
    def fault(self) -> str:
        """Why it is not open yet; empty when it is."""
        return "" if self.is_open else str(self._why)

    def open(self) -> None:
        """Open and migrate; when ClickHouse is away, go on trying in the background.

        Raises:
            ValueError, EngineBusy, QueryError, MigrationEdited: trying again would not help.
            EngineUnavailable: the embedded engine cannot start: that is ours to mend, not a server's.
        """
        self._engine = Engine.open(self._dsn)
        if self._engine.embedded:
            self._try(self._engine)
            return
        # Not here: a server that takes the connection and does not answer must not keep a collector from its start.
        self._thread = threading.Thread(
            target=self._keep_trying, args=(self._engine,), name="warehouse", daemon=True
        )
        self._thread.start()
        if not self._tried.wait(FIRST_ANSWER_WITHIN_S):
            log.warning(
                "ClickHouse does not answer yet, events are kept on disk until it does",
                event="clickhouse_silent",
            )
        self._is_starting = False
        if self._refused is not None:
            raise self._refused

    def session(self) -> Session:
        """A read-write session for one thread.

        Raises:
            EngineUnavailable: ClickHouse is away.
        """
        return self.engine().session()

    def reader(self, settings: Mapping[str, Any] | None = None, limits: ReadLimits | None = None) -> Reader:
        """A read-only connection for one thread.

        Args:
            settings: ClickHouse's, by name; the limits win over them.
            limits: Other limits than those of `/v1/sql`.

        Raises:
            EngineUnavailable: ClickHouse is away.
        """
        return self.engine().reader(limits or self._limits, settings)

    def close(self) -> None:
        """Stop trying, and let the engine go."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(END_WITHIN_S)  # it may wait for an answer that never comes
        if self._engine is not None:
            self._engine.close()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is open; returns whether it is."""
        return self._migrated.wait(timeout_s)

    def engine(self) -> Engine:
        """The engine, open and migrated.

        Raises:
            EngineUnavailable: ClickHouse is away.
        """
        if self._engine is None or not self.is_open:
            raise EngineUnavailable(self._why.message, self._why.code)
        return self._engine

    def _try(self, engine: Engine) -> None:
        for name in apply(engine):
            log.info("applied migration %(migration)s", event="migrated", migration=name)
        prepare(engine, self._journey)
        self._also(engine)
        self._migrated.set()

    def _keep_trying(self, engine: Engine) -> None:
        said = ""
        while not self._closing.is_set():
            try:
                self._try(engine)
            except (EngineError, MigrationEdited, ValueError) as error:
                if self._is_starting and _is_for_good(error):
                    self._refused = error
                    break
                reason = error.reason if isinstance(error, EngineError) else type(error).__name__
                if reason != said:
                    log.warning(
                        "ClickHouse cannot be used, events are kept on disk until it can: %(error)s",
                        event="clickhouse_unusable",
                        error=error,
                    )
                    said = reason
                self._why = error if isinstance(error, EngineError) else EngineError(str(error))
            else:
                if said:
                    log.info("ClickHouse can be used", event="clickhouse_usable")
                break
            self._tried.set()
            self._closing.wait(RETRY_S)
        self._tried.set()


def _is_for_good(error: Exception) -> bool:
    """Whether a collector that starts should rather end: what it was told about ClickHouse cannot be right.

    Anything else may pass, and until then events are taken: a collector is started again also while ClickHouse is in trouble.
    """
    return not isinstance(error, EngineError) or error.reason in _FOR_GOOD
