"""The sender: takes batches, delivers each, and counts what cannot be.

In: a store of batches. Out: requests. Guaranteed: batches leave in order, one at a time; a batch is settled only after
the collector's 200 or after it was counted as lost; the events of a retry are the same bytes, only `sent_at` is new.
"""

from __future__ import annotations

# What the sender's calls would import later, now: see `_exit.importing`.
import email.utils  # noqa: F401
import encodings.idna  # noqa: F401 - every look-up of a host name
import logging  # noqa: F401
import time
import zlib
from typing import TYPE_CHECKING, Final

import msgspec

from stitchline._event import Reply, WireEvent, encoded, encoder
from stitchline._ids import new_id, utc_text
from stitchline._losses import LOSS_EVENT, warn
from stitchline._queue import remaining
from stitchline._retry import Complaint, backoff_s, retry_after_s, verdict
from stitchline._settings import target
from stitchline._transport import DeliveryError, Transport

if TYPE_CHECKING:
    from stitchline._pipeline import Pipeline
    from stitchline._queue import Batch, Store
    from stitchline._retry import Verdict
    from stitchline._transport import Answer

# Below this gzip saves less than a packet.
_MIN_GZIP_BYTES: Final = 1024
# Level 1: 0.9 us an event; level 6 costs three times that for a tenth fewer bytes.
_GZIP_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31
_decode_reply: Final = msgspec.json.Decoder(Reply).decode


class _LossReport:
    """The loss event on its way: the same bytes until a collector has it, so that it counts once."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.event = b""

    def make(self, counts: dict[str, int], ms: int) -> None:
        self.counts = counts
        made = WireEvent(new_id(ms), "track", utc_text(ms), LOSS_EVENT, properties=encoded(counts))
        self.event = encoder.encode(made)


class Sender:
    """Delivers a store's batches until it has ended."""

    def __init__(self, pipeline: Pipeline, store: Store) -> None:
        settings = pipeline.settings
        headers = {
            "Authorization": f"Bearer {settings.write_key}",
            "Content-Type": "application/json",
            "User-Agent": "stitchline-python",
        }
        self._pipeline = pipeline
        self._settings = settings
        self._store = store
        self._losses = pipeline.losses
        self._transport = Transport(target(settings.endpoint), headers)
        self._complaint = Complaint()
        self._report = _LossReport()
        self._batch: Batch | None = None
        self._parts: list[list[bytes]] = []
        self._left = False

    def run(self) -> None:
        """Deliver until the store has ended or the time to drain is over."""
        try:
            while (batch := self._next()) is not None:
                self._pipeline.counter.reserve()
                self._deliver(batch)
            if self._losses.unreported and self._batch is None and not self._is_over():
                self._attempt([], self._store.head)
        except Exception:  # noqa: BLE001 - the last fence: a defect here must not end in silence
            warn("the sender stopped by a defect; please report it", exc_info=True)
            self._losses.count("internal_error")
        finally:
            self._transport.close()

    def abort(self) -> None:
        """End a request that outlasts the time to drain."""
        self._left = True
        self._transport.abort()

    def leave(self) -> tuple[Batch, list[bytes]] | None:
        """Return the batch on its way and its undelivered events; what comes of them later is not counted again."""
        self._left = True
        batch, self._batch = self._batch, None
        return None if batch is None else (batch, [event for part in reversed(self._parts) for event in part])

    def _next(self) -> Batch | None:
        """Wait for the next batch that is due; None at the end."""
        due_at: float | None = None
        store = self._store
        while not self._is_over():
            now = time.monotonic()
            urgent = self._pipeline.closed or self._pipeline.queue.progress.wanted()
            batch = store.take(partial=urgent or (due_at is not None and now >= due_at))
            if batch is not None:
                return batch
            if store.ended() and not store.waiting():
                return None
            if store.waiting():
                due_at = due_at or now + self._settings.flush_interval_s
                store.bell.wait(self._at_most(due_at - now))
            else:
                due_at = None
                store.bell.wait(remaining(self._pipeline.deadline))
        return None

    def _deliver(self, batch: Batch) -> None:
        """Bring a batch to its end, in parts where it is too large."""
        self._batch, self._parts = batch, [batch.events]
        while self._parts:
            smaller = self._bring(self._parts[-1], batch.head)
            if smaller is None:
                return  # the time is over: `leave` hands the rest on
            self._parts[-1:] = smaller
        if not self._left:
            self._batch = None
            self._store.settle(batch)

    def _bring(self, events: list[bytes], head: bytes) -> list[list[bytes]] | None:
        """Try until the events are delivered or dropped.

        Returns:
            What is left to bring: nothing, or two halves (the first last); None when the time is over.
        """
        failures = 0
        while not self._is_over():
            decided, reason, why, wait_s = self._attempt(events, head)
            if self._left:
                return None
            if decided == "delivered":
                self._complaint.delivered()
                return []
            if decided == "split" and len(events) > 1:
                half = len(events) // 2
                return [events[half:], events[:half]]
            failures += 1
            most = self._settings.max_retries
            if decided == "retry" and most is not None and failures > most:
                decided, reason = "drop", "retries_exhausted"
            if decided != "retry":
                self._drop(events, reason, why)
                return []
            self._wait(failures, why, wait_s)
        return None

    def _attempt(self, events: list[bytes], head: bytes) -> tuple[Verdict, str, str, float | None]:
        """Send once.

        Returns:
            The verdict, the reason where it is a loss, what happened in words, and the seconds asked for.
        """
        body = self._body(events, head)
        gzipped = self._settings.gzip and len(body) >= _MIN_GZIP_BYTES
        if gzipped:
            body = zlib.compress(body, _GZIP_LEVEL, _GZIP_WINDOW)
        try:
            answer = self._transport.post(
                body, gzipped=gzipped, timeout_s=self._at_most(self._settings.timeout_s)
            )
        except DeliveryError as error:
            return "retry", "", str(error), None
        decided, reason = verdict(answer.status, keeps=self._store.keeps())
        if decided == "delivered":
            return self._read(answer, events)
        why = f"HTTP {answer.status} {answer.body[:200].decode(errors='replace')}".rstrip()
        return decided, reason, why, retry_after_s(answer.retry_after)

    def _read(self, answer: Answer, events: list[bytes]) -> tuple[Verdict, str, str, float | None]:
        """Understand a 200: which events the collector took, and which it did not."""
        try:
            reply = _decode_reply(answer.body)
        except msgspec.MsgspecError:
            # Not our collector: a captive portal or a proxy's page. What was sent is not acknowledged.
            return "retry", "", "HTTP 200 without a collector's reply", None
        if not self._left:
            for rejection in reply.rejected:
                if 0 <= rejection.index < len(events):
                    self._losses.drop("rejected", events[rejection.index], rejection.reason, rejection.path)
            self._losses.reported(self._report.counts)
            self._report = _LossReport()
        return "delivered", "", "", None

    def _body(self, events: list[bytes], head: bytes) -> bytes:
        """Join encoded events; nothing is serialised a second time."""
        ms = self._pipeline.clock() // 1_000_000
        unreported = self._losses.unreported
        if unreported and not self._report.counts:
            self._report.make(unreported, ms)
        lines = [*events, self._report.event] if self._report.counts else events
        return b'{"sent_at":"%b",%b,"events":[%b]}' % (utc_text(ms).encode(), head, b",".join(lines))

    def _drop(self, events: list[bytes], reason: str, why: str) -> None:
        self._losses.drop_all(reason, events, why)
        warn("%d events are lost (%s): %s", len(events), reason, why)

    def _wait(self, failures: int, why: str, asked_s: float | None) -> None:
        """Wait before the next attempt; a flush or close cuts a backoff short once, never a Retry-After."""
        wait_s = asked_s
        if wait_s is None:
            wait_s = backoff_s(failures, base_s=self._settings.backoff_s, max_s=self._settings.max_backoff_s)
        self._complaint.failed(why, wait_s)
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0 and not self._is_over():
            if asked_s is None and self._pipeline.hurried():
                return
            self._store.bell.wait(self._at_most(left))

    def _is_over(self) -> bool:
        return self._left or (self._pipeline.closed and remaining(self._pipeline.deadline) == 0)

    def _at_most(self, wait_s: float) -> float:
        left = remaining(self._pipeline.deadline)
        return wait_s if left is None else max(0.001, min(wait_s, left))
