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
    """Counts events that came in and events that are settled, and calls those who wait for a count."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiters: list[tuple[int, Callable[[], object]]] = []
        self.accepted = 0
        self.settled = 0

    def accept(self, number: int = 1) -> None:
        """Count events that came in."""
        with self._lock:
            self.accepted += number

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

    def when_settled(self, callback: Callable[[], object]) -> bool:
        """Call back once all that came in until now is settled.

        Returns:
            True when it is settled already; the callback is then not kept.
        """
        with self._lock:
            if self.settled >= self.accepted:
                return True
            self._waiters.append((self.accepted, callback))
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
        self.events = 0
        self.bytes = 0
        self.head = head
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_batch_events = max_batch_events
        self._max_batch_bytes = max_batch_bytes
        self._full: deque[Batch] = deque()
        self._open: list[bytes] = []
        self._open_bytes = 0

    def put(self, event: bytes) -> bool:
        """Add an event; the caller holds `lock`.

        Returns:
            False when it would break a bound: the newest is dropped, because calls before it were told True.
        """
        size = len(event)
        if self.events >= self._max_events or self.bytes + size > self._max_bytes:
            return False
        if self._open and self._open_bytes + size > self._max_batch_bytes:
            self._seal()
        opened = self._open
        opened.append(event)
        self._open_bytes += size
        self.events += 1
        self.bytes += size
        self.progress.accepted += 1  # every writer of it holds this queue's lock or is the start-up
        if len(opened) >= self._max_batch_events:
            self._seal()
        elif len(opened) == 1:
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
            self.events -= len(batch.events)
            self.bytes -= batch.size_bytes

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
        self._open = []
        self._open_bytes = 0
        self.bell.ring()


def remaining(deadline: float | None) -> float | None:
    """Return the seconds left until a monotonic deadline, at least 0; None without a deadline."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
