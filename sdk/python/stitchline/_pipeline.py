"""From a call to the delivery: the queue, its threads, and their end.

In: encoded events. Out: batches at the collector, or counted losses. Guaranteed: no thread before the first event
(except where an offline folder holds unsent ones), every wait has a limit, and a forked child starts empty: what the
parent queued the parent sends.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from stitchline import _exit
from stitchline._event import MAX_EVENT_BYTES
from stitchline._exceptions import InvalidEvent, shown
from stitchline._identifiers import Cleaner
from stitchline._ids import IdSource, TimeText
from stitchline._losses import Losses, warn
from stitchline._queue import MemoryQueue, remaining

if TYPE_CHECKING:
    from collections.abc import Callable

    from stitchline._offline import OfflineQueue
    from stitchline._queue import Store
    from stitchline._settings import Settings
    from stitchline._state import Counter
    from stitchline._worker import Sender

_ABORT_GRACE_S = 0.2


class Pipeline:
    """One Client's way to its collector.

    Args:
        settings: checked settings.
        head: the members that all events of this process have in common.
        counter: gives `seq`.
    """

    def __init__(self, settings: Settings, head: bytes, counter: Counter) -> None:
        self.settings = settings
        self.clock = settings.clock
        self.texts = TimeText()
        self.counter = counter
        self.cleaner = Cleaner(
            hash_contacts=settings.hash_contacts,
            default_region=settings.default_region,
            refuse=self._refuse_identifier,
        )
        self._head = head
        self._begin()
        _exit.watch(self, sigterm=settings.drain_on_sigterm)

    def _begin(self) -> None:
        settings = self.settings
        self.ids = IdSource()
        self.losses = Losses(settings.on_drop)
        self.queue = MemoryQueue(
            head=self._head,
            max_events=settings.max_queue_events,
            max_bytes=settings.max_queue_bytes,
            max_batch_events=settings.max_batch_events,
            max_batch_bytes=settings.max_batch_bytes,
        )
        self.lock = self.queue.lock
        # What a call hands its event to: the queue itself, while that may take it.
        self.push: Callable[[bytes], bool] = self.put
        self.closed = False
        self._ending = False
        self._retired = False
        self.deadline: float | None = None
        self._hurry = False
        self._started = False
        self._threads: list[threading.Thread] = []
        self._sender: Sender | None = None
        self._offline: OfflineQueue | None = None

    def renew(self) -> None:
        """In a forked child: begin empty, with locks nobody holds."""
        closed = self.closed
        if self._offline is not None:
            self._offline.abandon()
        self.counter.fork()
        self._begin()
        self.closed = closed

    def put(self, event: bytes) -> bool:
        """Queue an event; the caller holds `lock`."""
        if self.closed:
            return False
        if not self._started:
            self.start()
        return self.queue.put(event)

    def refuse(self, kind: str, name: object, error: InvalidEvent) -> bool:
        """Raise the error in debug, else count the call as lost; returns False."""
        if self.settings.debug:
            raise error
        self.losses.drop_invalid(kind, name, str(error))
        return False

    def lost(self, kind: str, name: str, event: bytes) -> bool:
        """Count an event that `put` did not take; returns False."""
        if not event:
            return self.refuse(kind, name, InvalidEvent("name", name, "pass texts without lone surrogates"))
        if len(event) > MAX_EVENT_BYTES:
            if self.settings.debug:
                raise InvalidEvent("properties", event, f"an event has at most {MAX_EVENT_BYTES} bytes")
            self.losses.drop("too_large", event)
        else:
            self.losses.drop("closed" if self.closed else "queue_full", event)
        return False

    def start(self) -> None:
        """Start the threads; where that fails (the interpreter is ending), `close` does their work."""
        with self.lock:
            if self._started:
                return
            self._started = True
            self.push = self.queue.put
            self._open_offline()
            runs: list[tuple[str, Callable[[], None]]] = [("stitchline-sender", self._send)]
            if self._offline is not None:
                runs.append(("stitchline-journal", self._offline.run))
            try:
                for name, run in runs:
                    thread = threading.Thread(target=run, name=name, daemon=True)
                    thread.start()
                    self._threads.append(thread)
            except RuntimeError:
                warn("no thread can be started; events are sent when the client is closed")
            _exit.at_child_exit()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that came in is delivered or dropped."""
        done = threading.Lock()
        done.acquire()
        wake = done.release  # one object: a bound method is made anew with every look-up
        if self.queue.progress.when_settled(self.queue.accepted, wake):
            return True
        self.ring()
        if done.acquire(timeout=max(0.0, timeout_s)):
            return True
        self.queue.progress.forget(wake)
        return False

    async def aflush(self, timeout_s: float) -> bool:
        """Do the same without blocking the event loop."""
        import asyncio  # only programs that run asyncio pay for it

        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not done.done():
                done.set_result(None)

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(finish)

        if self.queue.progress.when_settled(self.queue.accepted, wake):
            return True
        self.ring()
        try:
            await asyncio.wait_for(done, timeout_s)
        except TimeoutError:
            return False
        finally:
            self.queue.progress.forget(wake)
        return True

    def close(self, timeout_s: float) -> bool:
        """Take nothing more, deliver what is queued until the time is over, and end the threads.

        Returns:
            True when everything was delivered.
        """
        with self.lock:
            first, self._ending = not self._ending, True
            self.deadline = time.monotonic() + timeout_s
            self._take_no_more()
        self.ring()
        if first and self._started:
            self._join()
            self._finish()
        if first:
            self.counter.close()
            _exit.forget(self)
        return self.queue.progress.settled >= self.queue.accepted and "shutdown" not in self.losses.totals

    def retire(self) -> None:
        """Take nothing more, forget the counter, and end by itself when all is delivered, however long that takes."""
        with self.lock:
            self._retired = True
            self._take_no_more()
            self.counter.forget()
            if not self._started:
                _exit.forget(self)
        self.ring()

    def is_over(self) -> bool:
        """Say whether all that came in is delivered or counted, and nothing more will come."""
        return self.closed and self.queue.progress.settled >= self.queue.accepted

    def _take_no_more(self) -> None:
        self.closed = True
        self.push = self.put
        self.queue.closed = True

    def hurried(self) -> bool:
        """Say, once, whether somebody waits who would rather try now than back off."""
        hurry, self._hurry = self._hurry, False
        return hurry

    def ring(self) -> None:
        """Wake the threads: somebody waits."""
        self._hurry = True
        self.queue.bell.ring()
        if self._offline is not None:
            self._offline.bell.ring()

    def _join(self) -> None:
        if not self._threads:
            if self._offline is not None:
                self._offline.run()
            self._send()
        for thread in reversed(self._threads):
            thread.join(remaining(self.deadline))
        if self._sender is not None and any(thread.is_alive() for thread in self._threads):
            self._sender.abort()
            self._threads[0].join(_ABORT_GRACE_S)

    def _finish(self) -> None:
        """Keep on disk what is not delivered, or count it as lost."""
        left_over = None if self._sender is None else self._sender.leave()
        if left_over is not None:
            batch, undelivered = left_over
            if self._offline is None:
                self.losses.drop_all("shutdown", undelivered)
                self.queue.settle(batch)
            else:
                self._offline.leave(batch, undelivered)
        while (rest := self.queue.take(partial=True)) is not None:
            self.losses.drop_all("shutdown", rest.events)
            self.queue.settle(rest)
        if self._offline is not None:
            self._offline.close(erase=self._retired and self.is_over())
        left = {} if self._offline is not None else self.losses.unreported
        if left:
            warn("lost events that no collector knows of: %s", left)

    def _send(self) -> None:
        """Run the sender; its modules (http.client, zlib) are imported here, away from the caller's thread."""
        with _exit.importing:
            from stitchline._worker import Sender  # 40 ms that no caller should wait for

        store: Store = self.queue if self._offline is None else self._offline
        self._sender = Sender(self, store)
        self._sender.run()
        if self._retired and self.deadline is None:
            self._finish()
            _exit.forget(self)

    def _open_offline(self) -> None:
        folder = self.settings.offline_dir
        if folder is None:
            return
        from stitchline._offline import OfflineQueue  # only where a folder is given

        try:
            self._offline = OfflineQueue.open(folder, self)
        except OSError as error:
            warn(
                "cannot use offline_dir %s (%s): unsent events are kept in memory only", shown(folder), error
            )

    def _refuse_identifier(self, namespace: str, value: object, expected: str) -> None:
        error = InvalidEvent(f"identifiers.{namespace}", value, expected)
        if self.settings.debug:
            raise error
        self.losses.count("identifier_refused")
