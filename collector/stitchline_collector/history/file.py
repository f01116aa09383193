"""One file on its way into the spool.

Guaranteed: however it ends, what was read is durable and noted, or not noted; blocks become durable in their order.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import io
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread

from .batches import Batches, Rows
from .bookmark import Bookmark, Mark
from .outlet import LOOK_EVERY_S, Outlet
from .reading import Block, Changed, Unusable, blocks
from .report import Imported, Progress, State, Tally

IN_FLIGHT = 16  # blocks that are being written while the next are decoded
NOTED_EVERY_S = 0.5


class FileImport:
    """The import of one file.

    Args:
        file: Open at its start.
        name: As it was given.
        bookmark: How far it was imported before; None for what cannot be read twice.
        max_line_bytes: Longest line.
        batches: Reads its lines.
        outlet: Where they go.
        tally: Counts what is stored.
        tell: Told after each block.
    """

    def __init__(
        self,
        file: io.BufferedReader,
        name: str,
        bookmark: Bookmark | None,
        max_line_bytes: int,
        batches: Batches,
        outlet: Outlet,
        tally: Tally,
        tell: Callable[[Progress], None],
    ) -> None:
        self._file = file
        self._name = name
        self._bookmark = bookmark
        self._max_line_bytes = max_line_bytes
        self._batches = batches
        self._outlet = outlet
        self._tally = tally
        self._tell = tell
        status = os.fstat(file.fileno())
        self._size_bytes = status.st_size
        modified_at = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
        self._written_at = modified_at if bookmark else dt.datetime.now(dt.UTC)
        self._taken_bytes = 0
        self._begun = self._read = self._durable = Mark()
        self._in_flight: deque[tuple[Mark, list[asyncio.Future[None]]]] = deque()
        self._noted_at = 0.0
        self._complete = self._changed = False

    async def run(self) -> None:
        """Import what was not imported before.

        Raises:
            Unusable: it cannot be read further.
            NotDurable: the disk cannot be written.
        """
        mark = self._bookmark.read() if self._bookmark else Mark()
        try:
            await self._run(mark)
        except Changed:
            self._changed = True
            self._file.seek(0)
            await self._run(Mark())

    @property
    def outcome(self) -> Imported:
        """What became of it so far."""
        place, count = self._durable.place, self._durable.count
        return Imported(
            file=self._name,
            complete=self._complete,
            accepted=count.accepted,
            rejected=count.rejected,
            lines=place.lines,
            lines_before=self._begun.place.lines,
            changed=self._changed,
        )

    async def _run(self, mark: Mark) -> None:
        self._begun = self._read = self._durable = mark
        ahead = _Ahead(blocks(self._file, mark.place, self._max_line_bytes))
        try:
            while (block := await ahead.next()) is not None:
                await self._store(block)
        finally:
            ahead.end()
            try:
                await self._settle(0)
            finally:
                self._note()
        self._complete = True

    async def _store(self, block: Block) -> None:
        rows = self._batches.rows(block.data, block.first_line, self._name, self._written_at)
        if block.first_line == 1 and rows.reasons and not rows.batches:
            raise Unusable(
                f"none of its first {block.end.lines:,} lines is a batch, so nothing of it is stored; line 1: {rows.reasons[0]}"
            )
        stored = [
            await self._append("events", rows.events, rows.accepted),
            await self._append("failed", rows.failed, len(rows.reasons)),
        ]
        self._read = Mark(block.end, self._read.count.plus(rows.accepted, rows.reasons))
        self._in_flight.append((self._read, [done for done in stored if done is not None]))
        self._taken_bytes = block.taken_bytes
        self._count(block, rows)
        await self._settle(IN_FLIGHT)

    async def _append(self, table: str, lines: bytes, rows: int) -> asyncio.Future[None] | None:
        """Begin to store rows as soon as there is room."""
        if not rows:
            return None
        while True:
            if await self._outlet.room():
                done = self._outlet.append(table, lines, rows)
                if done is not None:
                    return done
            await self._settle(IN_FLIGHT)
            self._tell(self._progress(State.WAITING))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _settle(self, most: int) -> None:
        """Take note of what is on disk, and wait until at most so many blocks are on their way there.

        Raises:
            NotDurable: the disk cannot be written.
        """
        while self._in_flight:
            mark, stored = self._in_flight[0]
            if len(self._in_flight) <= most and not all(done.done() for done in stored):
                return
            for done in stored:
                await asyncio.shield(done)  # whoever cancels the import does not cancel the write
            self._in_flight.popleft()
            self._durable = mark
            if time.monotonic() - self._noted_at >= NOTED_EVERY_S:
                self._note()

    def _note(self) -> None:
        self._noted_at = time.monotonic()
        if self._bookmark and self._durable != self._begun:
            self._bookmark.write(self._durable)

    def _count(self, block: Block, rows: Rows) -> None:
        self._tally.events += rows.accepted
        self._tally.rejected += len(rows.reasons)
        self._tally.suppressed += rows.suppressed
        self._tally.inflated_bytes += len(block.data)
        self._tell(self._progress(State.READING))

    def _progress(self, state: State) -> Progress:
        outlet = self._outlet
        return Progress(
            state,
            self._name,
            self._size_bytes,
            self._taken_bytes,
            self._tally,
            outlet.waiting_rows,
            outlet.loading_fault,
        )


class _Ahead:
    """Reads blocks in a thread of its own, one ahead.

    The thread is a daemon, because nothing can wake one that waits for standard input.
    """

    def __init__(self, found: Iterator[Block]) -> None:
        self._found = found
        self._loop = asyncio.get_running_loop()
        self._wanted: SimpleQueue[asyncio.Future[Block | None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="reader", daemon=True)
        self._thread.start()
        self._coming = self._want()

    async def next(self) -> Block | None:
        """The next block, None after the last one."""
        block = await self._coming
        self._coming = self._want()
        return block

    def end(self) -> None:
        """Read no more."""
        self._coming.cancel()
        self._wanted.put(None)

    def _want(self) -> asyncio.Future[Block | None]:
        future: asyncio.Future[Block | None] = self._loop.create_future()
        self._wanted.put(future)
        return future

    def _work(self) -> None:
        while (future := self._wanted.get()) is not None:
            block, error = None, None
            try:
                block = next(self._found, None)
            except Exception as failure:  # noqa: BLE001 -- raised again by whoever waits for the block
                error = failure
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_settle, future, block, error)


def _settle(future: asyncio.Future[Block | None], block: Block | None, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(block)
    else:
        future.set_exception(error)
