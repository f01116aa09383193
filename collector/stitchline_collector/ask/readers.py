"""A small pool of threads, each with a reader of its own.

Enters: functions of a reader. Leaves: their results, awaited. Guaranteed: the event loop never waits for ClickHouse, and
more questions than the pool can hold are refused at once instead of piling up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from ..engine import EngineUnavailable

Answer = TypeVar("Answer")


class Closable(Protocol):
    """What a thread of the pool asks with: a reader, or something that holds some."""

    def close(self) -> None:
        """Close its connections."""


Asked = TypeVar("Asked", bound=Closable)


class Readers(Generic[Asked]):
    """Runs questions.

    Args:
        connect: opens a reader; called on the thread that will use it.
        threads: questions that run at the same time.
        waiting: questions that may wait for a thread.
    """

    def __init__(self, connect: Callable[[], Asked], threads: int = 4, waiting: int = 60) -> None:
        self._connect = connect
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ask")
        self._room = threads + waiting
        self._own = threading.local()
        self._open: set[Asked] = set()

    async def ask(self, question: Callable[[Asked], Answer]) -> Answer:
        """Run one question.

        Args:
            question: called with a reader, on one of the pool's threads.

        Raises:
            EngineUnavailable: ClickHouse is away, or too many questions are waiting.
            Exception: whatever the question raises.
        """
        if self._room == 0:
            raise EngineUnavailable("too many questions are waiting")
        self._room -= 1
        # Room is made when the thread is done, not when the asker is: one who hangs up frees nothing.
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._run, question)
        running.add_done_callback(lambda _: self._leave())
        return await asyncio.shield(running)

    def close(self) -> None:
        """Let running questions end, drop waiting ones, close the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for reader in self._open:
            reader.close()
        self._open.clear()

    def _leave(self) -> None:
        self._room += 1

    def _run(self, question: Callable[[Asked], Answer]) -> Answer:
        reader: Asked | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = self._own.reader = self._connect()
            self._open.add(reader)
        try:
            return question(reader)
        except EngineUnavailable:
            # The next question on this thread connects anew.
            self._own.reader = None
            self._open.discard(reader)
            reader.close()
            raise
