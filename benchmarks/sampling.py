"""Repeats an observation on a thread while something else goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

Observed = TypeVar("Observed")


class Sampled(Generic[Observed]):
    """Observes at once, every `interval_s`, and at the end, as long as the `with` lasts.

    Attributes:
        found: what was observed, in order.
    """

    def __init__(self, observe: Callable[[], Observed], interval_s: float = 1.0) -> None:
        self.found: list[Observed] = []
        self._observe = observe
        self._interval_s = interval_s
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._over.is_set():
                self.found.append(self._observe())
                due += self._interval_s
                self._over.wait(max(0.0, due - time.monotonic()))
            self.found.append(self._observe())
        except Exception as error:  # noqa: BLE001 -- raised where the `with` ends
            self._error = error
