"""Decode, enrich and spool one body: the event path, read straight down.

Enters: a body within limits and where it came from. Leaves: what to answer, and futures that are done when it is on disk.
Guaranteed: received = accepted + rejected + suppressed; the first two are on disk before they are counted, and of what tells of
somebody erased nothing is kept.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Callable, MutableMapping
from typing import Protocol

import msgspec

from .decode import Decoded, Limits, Rejected, TooManyEvents, Unreadable, decode
from .enrich import Arrival, Enricher, lines
from .receive import Accepted, Origin
from .receive.refusals import too_many, unavailable, unreadable
from .rows import FailedRow, Row, encode_lines, quote_bytes, uuid7
from .spool import Spool, SpoolUnavailable
from .suppression.suppressions import Suppressions


class Counts(Protocol):
    """Events, counted once they are on disk."""

    accepted: int
    suppressed: int

    @property
    def rejected(self) -> MutableMapping[str, int]:
        """Rejected ones by reason, 0 for a reason that did not occur."""


class Ingested(msgspec.Struct):
    """Events since the start of this process."""

    accepted: int = 0
    suppressed: int = 0
    rejected: Counter[str] = msgspec.field(default_factory=Counter)


class Ingest:
    """The event path of one collector process.

    Args:
        limits: What a batch may hold.
        enricher: The steps between decoding and the spool.
        spool: Where lines become durable.
        now: The clock.
        counts: Where events are counted; None is here.
        suppressions: Who was erased; None is nobody.
    """

    def __init__(
        self,
        limits: Limits,
        enricher: Enricher,
        spool: Spool,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        counts: Counts | None = None,
        suppressions: Suppressions | None = None,
    ) -> None:
        self._suppressions = suppressions
        self.ingested: Counts = counts or Ingested()
        self._limits = limits
        self._enricher = enricher
        self._spool = spool
        self._now = now

    def __call__(self, body: bytes, origin: Origin) -> Accepted:
        """Read a body and begin to store it.

        Raises:
            Refusal: the body is no batch, holds too many events, or nothing can be stored now.
        """
        try:
            self._spool.check()
            decoded = decode(body, self._limits)
            return self.store(decoded, origin, self._now())
        except Unreadable as error:
            raise unreadable(str(error)) from None
        except TooManyEvents as error:
            raise too_many(str(error)) from None
        except SpoolUnavailable as error:
            raise unavailable(str(error)) from None

    def check(self) -> None:
        """Refuse before any work when nothing can be stored now.

        Raises:
            Refusal: nothing can be stored now.
        """
        try:
            self._spool.check()
        except SpoolUnavailable as error:
            raise unavailable(str(error)) from None

    def take(self, decoded: Decoded, origin: Origin, kind: str) -> Accepted:
        """Begin to store what another client's body was decoded to.

        Args:
            decoded: Its events and rejections.
            origin: Where it came from.
            kind: The dialect, in which the rejected events are kept.

        Raises:
            Refusal: nothing can be stored now.
        """
        try:
            return self.store(decoded, origin, self._now(), kind)
        except SpoolUnavailable as error:
            raise unavailable(str(error)) from None

    def store(
        self, decoded: Decoded, origin: Origin, received_at: dt.datetime, kind: str = "batch"
    ) -> Accepted:
        """Begin to store what was decoded.

        Args:
            decoded: Events and rejections.
            origin: Where they came from.
            received_at: When.
            kind: What the rejected events are kept as: `batch`, native ones, or a dialect.

        Raises:
            SpoolUnavailable: nothing can be stored now.
        """
        stored = []
        events = len(decoded.events)
        if events:
            arrival = Arrival(
                received_at, origin.source, origin.ip, origin.user_agent, origin.by_server, origin.objects
            )
            rows = self._enricher.rows(decoded, arrival)
            if self._suppressions:
                rows = self._not_suppressed(self._suppressions, rows, origin)
            if kept := len(rows):
                done = self._spool.append("events", lines(arrival, rows), kept)
                done.add_done_callback(lambda done: self._count_accepted(done, kept))
                stored.append(done)
            if (
                kept < events
            ):  # answered as if it were taken: a client that heard otherwise would send it for ever
                self.ingested.suppressed += events - kept
        rejections = [rejected.rejection for rejected in decoded.rejected]
        if rejections:
            failures = self._kept_failures(decoded)
            if failures:
                failed = encode_lines(_failed_rows(failures, origin, received_at, kind))
                done = self._spool.append("failed", failed, len(failures))
                done.add_done_callback(
                    lambda done: self._count_rejected(done, [one.rejection.reason for one in failures])
                )
                stored.append(done)
            if len(failures) < len(rejections):
                self.ingested.suppressed += len(rejections) - len(failures)
        return Accepted(events, rejections, stored)

    @staticmethod
    def _not_suppressed(suppressions: Suppressions, rows: list[Row], origin: Origin) -> list[Row]:
        try:
            suppressions.welcome(rows, by_server=origin.by_server)
        except OSError as error:  # a new consent must not be lost: the sender tries again
            raise SpoolUnavailable(f"the data folder cannot be written: {error.strerror}") from error
        return suppressions.kept(rows)

    def _kept_failures(self, decoded: Decoded) -> list[Rejected]:
        """The rejections that name nobody who was erased."""
        suppressions = self._suppressions
        if not suppressions:
            return decoded.rejected
        return [one for one in decoded.rejected if not suppressions.tells(bytes(one.raw))]

    def store_row(self, line: bytes) -> asyncio.Future[None]:
        """Begin to store one event that is a line already.

        Raises:
            SpoolUnavailable: nothing can be stored now.
        """
        if self._suppressions and not self._suppressions.kept_lines("events", [line]):
            self.ingested.suppressed += 1
            done = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        done = self._spool.append("events", line + b"\n", 1)
        done.add_done_callback(lambda done: self._count_accepted(done, 1))
        return done

    def _count_accepted(self, done: asyncio.Future[None], events: int) -> None:
        if not done.cancelled() and done.exception() is None:
            self.ingested.accepted += events

    def _count_rejected(self, done: asyncio.Future[None], reasons: list[str]) -> None:
        if not done.cancelled() and done.exception() is None:
            for reason in reasons:
                self.ingested.rejected[kind_of(reason)] += 1


def kind_of(reason: str) -> str:
    """A rejection's reason as a metric label: one of a few, whatever the event held."""
    for words, kind in _KINDS:
        if words in reason:
            return kind
    return _OTHER


_OTHER = "invalid"
_KINDS = (
    ("too large", "too_large"),
    ("nested", "too_deep"),
    ("unknown field", "unknown_field"),
    ("missing", "missing_field"),
    ("needs", "missing_field"),
    ("Expected", "wrong_type"),
    ("malformed", "malformed"),
    ("not UTF-8", "malformed"),
    ("outside", "out_of_range"),
)
KINDS = tuple(dict.fromkeys((*(kind for _, kind in _KINDS), _OTHER)))
"""All reasons that are counted."""


def _failed_rows(
    failures: list[Rejected], origin: Origin, received_at: dt.datetime, kind: str
) -> list[FailedRow]:
    return [
        FailedRow(
            failure_id=uuid7(),
            received_at=received_at,
            source=origin.source,
            kind=kind,
            event_id=rejection.event_id,
            reason=rejection.reason,
            path=rejection.path,
            raw=quote_bytes(raw),
        )
        for rejection, raw in failures
    ]
