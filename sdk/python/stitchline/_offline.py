"""The offline folder: every event goes through the disk, and leaves it only after the collector's 200.

In: batches from the memory queue, written by one thread (the journal). Out: the same events, oldest first, to the
sender. Guaranteed:
- an event is on disk, by fdatasync, 20 ms plus one write after its call returned; until then it is in memory only.
  kill -9 and power loss cost at most that; a torn last record is cut at the next start;
- the folder is bounded: the oldest segment goes first, counted as `offline_full`;
- a segment is deleted only when all of it was delivered (or counted as lost). After a crash a segment that was partly
  delivered is sent again; its events keep their ids, so that each counts once;
- two processes never share: each locks a slot of its own (``slot-0``, ``slot-1``, ...) within the folder, and takes
  over the segments of slots whose process is gone. `max_offline_bytes` bounds a slot;
- a disk that refuses (full, gone) makes the journal wait; memory then fills up to its bound, and losses are counted.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from stitchline._locks import open_locked, sync_folder, write_atomically
from stitchline._losses import warn
from stitchline._queue import Batch, Bell
from stitchline._segments import Segment, create, framed, recover, sync_data, write_all

if TYPE_CHECKING:
    from stitchline._pipeline import Pipeline

_GATHER_S: Final = 0.02
_RETRY_DISK_S: Final = 1.0
_MAX_SEGMENT_BYTES: Final = 1024 * 1024
_SUFFIX: Final = ".seg"
_SLOT: Final = "slot-"
_LOSSES: Final = "losses.json"
_WITHDRAWN: Final = "withdrawn"


class OfflineQueue:
    """A bounded queue on disk; made by `open`."""

    def __init__(self, slot: str, lock_fd: int, pipeline: Pipeline) -> None:
        settings = pipeline.settings
        self.bell = Bell()
        self.head = pipeline.queue.head
        self._slot = slot
        self._lock_fd: int | None = lock_fd
        # Held while the disk works, so never by a caller of `track`; reentrant for a close inside a signal handler.
        self._lock = threading.RLock()
        self._taken = 0
        self._memory = pipeline.queue
        self._counter = pipeline.counter
        self._losses = pipeline.losses
        self._losses_version = self._losses.version
        self._max_bytes = settings.max_offline_bytes
        self._segment_bytes = min(_MAX_SEGMENT_BYTES, settings.max_offline_bytes // 8)
        self._max_batch_events = settings.max_batch_events
        self._max_batch_bytes = settings.max_batch_bytes
        self._segments: list[Segment] = []
        self._active_fd: int | None = None
        self._number = 0
        self._written_all = False

    @classmethod
    def open(cls, folder: str, pipeline: Pipeline) -> OfflineQueue:
        """Lock a slot of the folder, take over what dead processes left, and cut torn tails.

        Raises:
            OSError: the folder cannot be used.
        """
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        slot, lock_fd = _free_slot(folder)
        queue = cls(slot, lock_fd, pipeline)
        queue._number = max((int(name.removesuffix(_SUFFIX)) for name in _segment_names(slot)), default=0)
        queue._adopt(folder)
        queue._recover()
        pipeline.queue.progress.sealed += sum(segment.events for segment in queue._segments)
        if queue._segments:
            queue.bell.ring()
        return queue

    def run(self) -> None:
        """Write what comes in, until the memory queue is closed and empty: the journal's thread."""
        while True:
            ended = self._memory.ended()
            batch = self._memory.take(partial=True)
            if batch is not None:
                if not self._write_patiently(batch):
                    break
            elif ended:
                break
            else:
                self._memory.bell.wait()
                if not self._memory.ended() and not self._memory.progress.wanted():
                    self._memory.bell.wait(_GATHER_S)  # one fdatasync for all that comes meanwhile
        self._written_all = True
        self.bell.ring()

    def take(self, *, partial: bool) -> Batch | None:
        """Return the oldest events that are due, all of one segment."""
        with self._lock:
            while self._segments:
                segment = self._segments[0]
                is_last = len(self._segments) == 1
                if segment.sent < segment.events:
                    if is_last and not partial and segment.events - segment.sent < self._max_batch_events:
                        return None
                    batch = self._read(segment)
                    if batch is None:
                        continue
                    return batch
                if is_last and self._active_fd is not None and segment.events == 0:
                    return None
                self._remove(segment)
            return None

    def settle(self, batch: Batch) -> None:
        """Forget delivered events; their segment goes when all of it is delivered."""
        with self._lock:
            self._taken = 0
            segment, sent_to = batch.mark
            if segment in self._segments:
                segment.sent += len(batch.events)
                segment.sent_to = sent_to
                if segment.sent >= segment.events:
                    self._remove(segment)
        self._memory.progress.settle(len(batch.events))
        self._save_losses()

    def leave(self, batch: Batch, undelivered: list[bytes]) -> None:
        """Keep a batch that is not delivered at the end; one whose segment was dropped meanwhile is lost after all."""
        with self._lock:
            self._taken = 0
            if batch.mark[0] in self._segments:
                return
        self._losses.drop_all("offline_full", undelivered)
        self._memory.progress.settle(len(batch.events))

    def keeps(self) -> bool:
        """Say that the disk outlives the process."""
        return True

    def waiting(self) -> bool:
        """Say whether there is anything to take."""
        return any(segment.sent < segment.events for segment in self._segments)

    def ended(self) -> bool:
        """Say whether the journal has written all."""
        return self._written_all

    def close(self, *, erase: bool = False) -> None:
        """Give the slot back, with what is not delivered in it; or with nothing, after a withdrawal."""
        with self._lock:
            if self._lock_fd is None:
                return
            if erase:
                with contextlib.suppress(OSError):
                    os.unlink(f"{self._slot}/{_LOSSES}")  # noqa: PTH108
                unmark_withdrawn(os.path.dirname(self._slot))  # noqa: PTH120
            else:
                self._losses_version = -1
                self._save_losses()
            self.abandon()

    def abandon(self) -> None:
        """Close the files without touching them: also in a forked child, whose parent goes on using them."""
        for fd in (self._active_fd, self._lock_fd):
            if fd is not None:
                os.close(fd)
        self._active_fd = self._lock_fd = None

    def _write_patiently(self, batch: Batch) -> bool:
        """Write, again and again while the disk refuses; False when the client is closed meanwhile."""
        self._counter.reserve()
        complained = False
        while True:
            try:
                self._append(batch)
            except OSError as error:
                if not complained:
                    warn("cannot write to the offline folder (%s); trying again", error)
                    complained = True
                if self._memory.ended():
                    self._losses.drop_all("shutdown", batch.events, str(error))
                    self._memory.progress.settle(len(batch.events))
                    return False
                self._memory.bell.wait(_RETRY_DISK_S)
            else:
                return True

    def _append(self, batch: Batch) -> None:
        """Write a batch and make it durable, in segments, then let the sender see it.

        Raises:
            OSError: the disk refuses; `batch` then holds what is not written.
        """
        while batch.events:
            with self._lock:
                if self._active_fd is None or self._segments[-1].size >= self._segment_bytes:
                    self._begin_segment()
                segment = self._segments[-1]
                number = _fitting(batch.events, self._segment_bytes)
                data = framed(batch.events[:number])
                self._make_room(len(data))
                self._write(segment, data)
                segment.events += number
            written = batch.events[:number]
            rest = Batch(written, sum(map(len, written)), batch.head)
            batch.events = batch.events[number:]
            batch.size_bytes -= rest.size_bytes
            self._memory.release(rest)
            self.bell.ring()

    def _write(self, segment: Segment, data: bytes) -> None:
        if self._active_fd is None:
            raise OSError("the offline folder is closed")
        try:
            write_all(self._active_fd, data)
            sync_data(self._active_fd)
        except OSError:
            os.ftruncate(self._active_fd, segment.size)  # a half-written record would hide what follows it
            os.lseek(self._active_fd, segment.size, os.SEEK_SET)
            raise
        segment.size += len(data)

    def _begin_segment(self) -> None:
        if self._lock_fd is None:
            raise OSError("the offline folder is closed")
        path = self._next_path()
        segment, fd = create(path, self.head)
        sync_folder(self._slot)
        if self._active_fd is not None:
            os.close(self._active_fd)
        self._active_fd = fd
        self._segments.append(segment)

    def _read(self, segment: Segment) -> Batch | None:
        """Return the segment's next events, or None when they cannot be read any more, which is counted."""
        try:
            payloads, ends = segment.unsent()
        except OSError as error:
            warn("cannot read %s (%s)", segment.path, error)
            payloads, ends = [], []
        if not payloads:
            self._lose(segment, "offline_corrupt", [])
            return None
        number = min(_fitting(payloads, self._max_batch_bytes), self._max_batch_events)
        events = payloads[:number]
        self._taken = number
        return Batch(events, sum(map(len, events)), segment.head, mark=(segment, ends[number - 1]))

    def _make_room(self, size: int) -> None:
        """Drop the oldest segments until `size` bytes fit the bound."""
        while len(self._segments) > 1 and sum(part.size for part in self._segments) + size > self._max_bytes:
            oldest = self._segments[0]
            try:
                events = oldest.unsent()[0][self._taken :]
            except OSError:
                events = []
            self._lose(oldest, "offline_full", events)

    def _lose(self, segment: Segment, reason: str, events: list[bytes]) -> None:
        """Count the events of a segment that were neither delivered nor are on their way, and remove it."""
        number = segment.events - segment.sent - self._taken
        self._losses.drop_all(reason, events)
        if number > len(events):
            self._losses.count(reason, number - len(events))
        self._taken = 0
        self._memory.progress.settle(number)
        self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        if segment is self._segments[-1] and self._active_fd is not None:
            os.close(self._active_fd)
            self._active_fd = None
        self._segments.remove(segment)
        with contextlib.suppress(OSError):
            os.unlink(segment.path)  # noqa: PTH108

    def _recover(self) -> None:
        """Take over the slot's own segments and unreported losses of an earlier process."""
        for name in _segment_names(self._slot):
            segment, was_cut = recover(f"{self._slot}/{name}")
            if segment is not None:
                self._segments.append(segment)
            if was_cut:
                self._losses.count("offline_corrupt")
        self._restore_losses(f"{self._slot}/{_LOSSES}")

    def _adopt(self, folder: str) -> None:
        """Move the segments of slots whose process is gone behind our own."""
        for name in sorted(os.listdir(folder)):  # noqa: PTH208
            other = f"{folder}/{name}"
            if other == self._slot or not name.startswith(_SLOT):
                continue
            lock_fd = open_locked(f"{other}/lock")
            if lock_fd is None:
                continue
            try:
                for part in _segment_names(other):
                    os.replace(f"{other}/{part}", self._next_path())  # noqa: PTH105
                self._restore_losses(f"{other}/{_LOSSES}")
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{other}/{_LOSSES}")  # noqa: PTH108
            finally:
                os.close(lock_fd)

    def _next_path(self) -> str:
        self._number += 1
        return f"{self._slot}/{self._number:012d}{_SUFFIX}"

    def _restore_losses(self, path: str) -> None:
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                self._losses.restore(msgspec.json.decode(file.read(), type=dict[str, int]))
        except (FileNotFoundError, msgspec.MsgspecError):
            return

    def _save_losses(self) -> None:
        """Keep what no collector was told yet; written only when it changed."""
        version = self._losses.version
        if version == self._losses_version or self._lock_fd is None:
            return
        self._losses_version = version
        try:
            write_atomically(f"{self._slot}/{_LOSSES}", msgspec.json.encode(self._losses.unreported))
        except OSError as error:
            warn("cannot keep the counts of losses (%s)", error)


def _segment_names(slot: str) -> list[str]:
    """Return the names of a slot's segments, oldest first."""
    return sorted(name for name in os.listdir(slot) if name.endswith(_SUFFIX))  # noqa: PTH208


def _free_slot(folder: str) -> tuple[str, int]:
    """Lock the first slot that no other process has.

    Raises:
        OSError: the folder cannot be used.
    """
    for number in itertools.count():
        slot = f"{folder}/{_SLOT}{number}"
        os.makedirs(slot, mode=0o700, exist_ok=True)  # noqa: PTH103
        lock_fd = open_locked(f"{slot}/lock")
        if lock_fd is not None:
            return slot, lock_fd
    raise AssertionError  # unreachable: count() has no end


def _fitting(events: list[bytes], max_bytes: int) -> int:
    """Return how many of the first events fit, at least one."""
    size = 0
    for number, event in enumerate(events):
        size += len(event)
        if number and size > max_bytes:
            return number
    return len(events)


def has_unsent(folder: str) -> bool:
    """Say whether an earlier process left segments in the folder."""
    return any(name.endswith(_SUFFIX) for _, _, names in os.walk(folder) for name in names)


def mark_withdrawn(folder: str) -> None:
    """Note that consent was taken back: what is unsent is the end of it, and a later process may send that."""
    with contextlib.suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        write_atomically(f"{folder}/{_WITHDRAWN}", b"")


def unmark_withdrawn(folder: str) -> None:
    """Forget that note: all was sent, or consent is back."""
    with contextlib.suppress(OSError):
        os.unlink(f"{folder}/{_WITHDRAWN}")  # noqa: PTH108


def is_withdrawn(folder: str) -> bool:
    """Say whether an earlier process could not send all before consent ended."""
    return os.path.exists(f"{folder}/{_WITHDRAWN}")  # noqa: PTH110
