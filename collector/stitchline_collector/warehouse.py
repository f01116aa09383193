"""ClickHouse as the collector sees it: away at first, perhaps, and then open and migrated.

Guaranteed: nobody gets a connection before the migrations are applied.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from .engine import Engine, EngineError, EngineUnavailable, Reader, ReadLimits, Session
from .journeys import prepare
from .migrate import MigrationEdited, apply

RETRY_S = 2.0
log = logging.getLogger(__name__)


class Warehouse:
    """Opens the engine once it can be opened.

    Args:
        dsn: Where ClickHouse is.
        limits: What one read of `/v1/sql` may cost.
        journey: The text of `journey.toml`; None for the one given last.
    """

    def __init__(self, dsn: str, limits: ReadLimits, journey: str | None = None) -> None:
        self._dsn = dsn
        self._journey = journey
        self._limits = limits
        self._engine: Engine | None = None
        self._migrated = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_trying, name="warehouse", daemon=True)

    @property
    def is_open(self) -> bool:
        """Whether ClickHouse has answered and its schema is current."""
        return self._migrated.is_set()

    def open(self) -> None:
        """Open and migrate; when ClickHouse is away, go on trying in the background.

        Raises:
            ValueError, EngineBusy, QueryError, MigrationEdited: trying again would not help.
            EngineUnavailable: the embedded engine cannot start: that is ours to mend, not a server's.
        """
        try:
            self._try()
        except EngineUnavailable as error:
            if self._engine is None or self._engine.embedded:
                raise
            log.warning("ClickHouse is away, events are kept on disk until it is back: %s", error)
            self._thread.start()

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
        if self._thread.is_alive():
            self._thread.join()
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
            raise EngineUnavailable("ClickHouse has not answered yet")
        return self._engine

    def _try(self) -> None:
        if self._engine is None:
            self._engine = Engine.open(self._dsn)
        for name in apply(self._engine):
            log.info("applied migration %s", name)
        prepare(self._engine, self._journey)
        self._migrated.set()

    def _keep_trying(self) -> None:
        while not self._closing.wait(RETRY_S):
            try:
                self._try()
            except EngineUnavailable:
                continue
            except (EngineError, MigrationEdited, ValueError):
                log.exception("ClickHouse is back, but cannot be used; events are kept on disk")
                continue
            log.info("ClickHouse is back")
            return
