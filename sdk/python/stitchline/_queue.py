"""The queue between the callers and the delivery, and what waits on it.

In: encoded events, from any thread, signal handler or destructor. Out: batches, ready to be joined.
Guaranteed: `put` never blocks; memory is bounded in items and bytes, events on their way included; order is kept.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


class Batch(msgspec.Struct):
    """Events that travel together; `head` holds what they have in common, as JSON members.

    Attributes:
        events: encoded events, oldest first.
        size_bytes: their bytes, without commas.
        head: ``"sdk":{...},"device":{...}``, the batch's defaults.
        mark: where the events came from; only its store reads it.
    """

    events: list[bytes]
    size_bytes: int
    head: bytes
    mark: Any = None


class Store(Protocol):
    """What the sender takes batches from: memory, or the offline folder."""

    bell: Bell
    head: bytes

    def take(self, *, partial: bool) -> Batch | None:
        """Return the oldest full batch; with `partial` also one that is not full."""

    def settle(self, batch: Batch) -> None:
        """Forget a batch that was delivered or dropped."""

    def keeps(self) -> bool:
        """Say whether what is not delivered outlives the process."""

    def waiting(self) -> bool:
        """Say whether there is anything to take."""

    def ended(self) -> bool:
        """Say whether nothing will be added any more."""


class Bell:
    """Wakes one waiting thread.

    A plain lock used as a binary semaphore: unlike `threading.Event` it may be rung from a signal handler or a
    destructor that interrupts a ring on the same thread.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the thread, or let its next wait return at once."""
        try:
            self._lock.release()
        except RuntimeError:
            return  # it rings already

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a ring.

        Args:
            timeout_s: seconds to wait at most; None waits without end.

        Returns:
            False when the time was over.
        """
        return self._lock.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))


class Progress:
    """Counts events that are settled, and calls those who wait for a count."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiters: list[tuple[int, Callable[[], object]]] = []
        self.sealed = 0
        self.settled = 0

    def settle(self, number: int) -> None:
        """Count events that were delivered or dropped, in order, and call who waited for them."""
        with self._lock:
            self.settled += number
            due = [callback for target, callback in self._waiters if target <= self.settled]
            self._waiters = [waiter for waiter in self._waiters if waiter[0] > self.settled]
        for callback in due:
            callback()

    def wanted(self) -> bool:
        """Say whether anyone waits."""
        return bool(self._waiters)

    def when_settled(self, target: int, callback: Callable[[], object]) -> bool:
        """Call back once so many events are settled.

        Returns:
            True when they are already; the callback is then not kept.
        """
        with self._lock:
            if self.settled >= target:
                return True
            self._waiters.append((target, callback))
            return False

    def forget(self, callback: Callable[[], object]) -> None:
        """Drop a callback whose caller waits no longer."""
        with self._lock:
            self._waiters = [waiter for waiter in self._waiters if waiter[1] is not callback]


class MemoryQueue:
    """A bounded queue that forms the batches while events come in, so that taking one copies nothing."""

    def __init__(
        self, *, head: bytes, max_events: int, max_bytes: int, max_batch_events: int, max_batch_bytes: int
    ) -> None:
        # Reentrant: a signal handler or destructor may track while the same thread is inside a call.
        self.lock = threading.RLock()
        self.bell = Bell()
        self.progress = Progress()
        self.closed = False
        self.head = head
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_batch_events = max_batch_events
        self._max_batch_bytes = max_batch_bytes
        self._full: deque[Batch] = deque()
        self._open: list[bytes] = []
        self._open_bytes = 0
        # Of sealed batches, until they are released. `put` is kept short by counting the open batch by its length.
        self._sealed_events = 0
        self._sealed_bytes = 0
        self._set_limits()

    @property
    def events(self) -> int:
        """Events in memory, those on their way included."""
        return self._sealed_events + len(self._open)

    @property
    def size_bytes(self) -> int:
        """Their bytes."""
        return self._sealed_bytes + self._open_bytes

    @property
    def accepted(self) -> int:
        """Events that ever came in."""
        with self.lock:
            return self.progress.sealed + len(self._open)

    def put(self, event: bytes) -> bool:
        """Add an event; the caller holds `lock`.

        Returns:
            False when it would break a bound: the newest is dropped, because calls before it were told True.
        """
        opened = self._open
        number = len(opened)
        total = self._open_bytes + len(event)
        if number >= self._limit_events or total > self._limit_bytes:
            return self._put_at_limit(event)
        opened.append(event)
        self._open_bytes = total
        if not number:
            self.bell.ring()
        return True

    def _put_at_limit(self, event: bytes) -> bool:
        """The open batch, or the memory, is full."""
        if self._open:
            self._seal()
        if self._limit_events < 1 or len(event) > self._max_bytes - self._sealed_bytes:
            return False
        self._open.append(event)
        self._open_bytes = len(event)
        self.bell.ring()
        return True

    def take(self, *, partial: bool) -> Batch | None:
        """Return the oldest batch, or None."""
        with self.lock:
            if partial and not self._full and self._open:
                self._seal()
            return self._full.popleft() if self._full else None

    def release(self, batch: Batch) -> None:
        """Give the batch's memory back."""
        with self.lock:
            self._sealed_events -= len(batch.events)
            self._sealed_bytes -= batch.size_bytes
            self._set_limits()

    def settle(self, batch: Batch) -> None:
        """Forget a batch that was delivered or dropped."""
        self.release(batch)
        self.progress.settle(len(batch.events))

    def keeps(self) -> bool:
        """Say that memory does not outlive the process."""
        return False

    def waiting(self) -> bool:
        """Say whether there is anything to take."""
        return bool(self._full or self._open)

    def ended(self) -> bool:
        """Say whether the queue was closed."""
        return self.closed

    def _seal(self) -> None:
        self._full.append(Batch(self._open, self._open_bytes, self.head))
        self._sealed_events += len(self._open)
        self._sealed_bytes += self._open_bytes
        self.progress.sealed += len(self._open)
        self._open = []
        self._open_bytes = 0
        self._set_limits()
        self.bell.ring()

    def _set_limits(self) -> None:
        """Set how far the open batch may grow: to a full batch, or to what the memory has left."""
        self._limit_events = min(self._max_batch_events, self._max_events - self._sealed_events)
        self._limit_bytes = min(self._max_batch_bytes, self._max_bytes - self._sealed_bytes)


def remaining(deadline: float | None) -> float | None:
    """Return the seconds left until a monotonic deadline, at least 0; None without a deadline."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
