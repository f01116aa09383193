"""What an operator sees: liveness, readiness and the metrics of one collector process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec
from aiohttp import web

from .load import Loader
from .metrics import CONTENT_TYPE, Metrics, Sample, Source
from .spool import Spool
from .stitch import Progress
from .warehouse import Warehouse

_KINDS = {"events": "accepted", "failed": "rejected"}  # what the rows of a spool table are


class Terms(Protocol):
    """What was counted of events and rows, by whoever serves."""

    @property
    def accepted(self) -> int:
        """Events acknowledged and on disk."""

    @property
    def suppressed(self) -> int:
        """Events acknowledged and not kept, because they tell of somebody erased."""

    @property
    def rejected(self) -> Mapping[str, int]:
        """Rejected events by reason."""

    @property
    def replies(self) -> Mapping[int, int]:
        """Requests by status."""

    @property
    def faults(self) -> Mapping[str, int]:
        """Commits that the disk did not take, by reason."""

    @property
    def restarts(self) -> Mapping[tuple[str, str], int]:
        """Other processes started again, by which and why."""

    @property
    def unready(self) -> str:
        """Why another process cannot acknowledge, or nothing."""

    @property
    def recovered(self) -> Mapping[str, int]:
        """Rows found on disk that nobody had counted, by spool table."""

    @property
    def commits(self) -> int:
        """Group commits."""

    @property
    def damages(self) -> int:
        """Segments found damaged before they came to the loader."""

    def lost(self, table: str, /) -> int:
        """Rows counted by another process, of which nothing was left when they were looked for."""

    def spooled(self, table: str) -> int:
        """Rows on disk, not in ClickHouse yet."""


class Observer:
    """Answers `/health/live`, `/health/ready` and `/metrics`.

    Args:
        terms: What was counted.
        spool, loader, warehouse: The rooms of this process.
        progress: What the stitcher did so far.
        stopping: Whether the process is about to end.
        more: Metrics of other rooms.
    """

    def __init__(
        self,
        terms: Terms,
        spool: Spool,
        loader: Loader,
        warehouse: Warehouse,
        progress: Callable[[], Progress],
        stopping: Callable[[], bool],
        *more: Source,
    ) -> None:
        self._terms = terms
        self._spool = spool
        self._loader = loader
        self._warehouse = warehouse
        self._progress = progress
        self._stopping = stopping
        self._metrics = Metrics(self._event_terms, self._spool_terms, self._stitch_terms, *more)

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [
            web.get("/health/live", self.live),
            web.get("/health/ready", self.ready),
            web.get("/metrics", self.metrics),
        ]

    async def live(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return _json({"live": True})

    async def ready(self, _request: web.Request) -> web.Response:
        """It can acknowledge. ClickHouse may be away meanwhile; `loading` tells."""
        why = self._unready()
        loading = self._loader.loads.fault or self._warehouse.fault or "ok"
        body = {
            "ready": not why,
            "why": why,
            "loading": loading,
            "spooled_events": self._terms.spooled("events"),
        }
        return _json(body, 503 if why else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    def _unready(self) -> str:
        if self._stopping():
            return "stopping"
        if self._spool.is_full:
            return "the spool is full"
        if self._spool.fault:
            return f"the spool cannot be written: {self._spool.fault.strerror}"
        return self._terms.unready

    def _event_terms(self) -> Iterable[tuple[str, str, str, list[Sample]]]:
        accepted, rejected = self._terms.accepted, self._terms.rejected
        received = accepted + sum(rejected.values()) + self._terms.suppressed
        replies: list[Sample] = [({"status": str(status)}, n) for status, n in self._terms.replies.items()]
        yield "counter", "stitchline_events_received", "Events in acknowledged requests", [({}, received)]
        yield (
            "counter",
            "stitchline_events_accepted",
            "Events acknowledged and on disk",
            [({}, accepted)],
        )
        yield (
            "counter",
            "stitchline_events_rejected",
            "Events kept in failed_events, by reason",
            _by_reason(rejected),
        )
        yield (
            "counter",
            "stitchline_events_suppressed",
            "Events acknowledged and not kept: they tell of somebody erased",
            [({}, self._terms.suppressed)],
        )
        yield "counter", "stitchline_requests", "Requests to the event path, by status", replies

    def _spool_terms(self) -> Iterable[tuple[str, str, str, list[Sample]]]:
        loads = self._loader.loads
        yield (
            "counter",
            "stitchline_rows_recovered",
            "Rows found on disk at start",
            _by_kind(self._terms.recovered.__getitem__),
        )
        yield "counter", "stitchline_rows_loaded", "Rows in ClickHouse", _by_kind(loads.loaded.__getitem__)
        yield (
            "counter",
            "stitchline_rows_isolated",
            "Rows ClickHouse refused",
            _by_kind(loads.isolated.__getitem__),
        )
        yield (
            "counter",
            "stitchline_rows_damaged",
            "Rows lost to a damaged disk",
            _by_kind(lambda table: loads.damaged[table] + self._terms.lost(table)),
        )
        yield (
            "counter",
            "stitchline_rows_erased",
            "Rows of somebody erased that were on disk and not in ClickHouse yet",
            _by_kind(loads.erased.__getitem__),
        )
        yield (
            "gauge",
            "stitchline_rows_spooled",
            "Rows on disk, not in ClickHouse yet",
            _by_kind(self._terms.spooled),
        )
        yield "gauge", "stitchline_spool_bytes", "Bytes of the spool on disk", [({}, self._spool.size_bytes)]
        yield "gauge", "stitchline_spool_segments", "Sealed segments waiting", [({}, self._loader.backlog)]
        yield "counter", "stitchline_spool_commits", "Group commits", [({}, self._terms.commits)]
        yield (
            "counter",
            "stitchline_load_retries",
            "Inserts that had to be repeated, by reason",
            _by_reason(loads.retries),
        )
        yield (
            "counter",
            "stitchline_spool_faults",
            "Commits that the disk did not take, by reason",
            _by_reason(self._terms.faults),
        )
        yield (
            "counter",
            "stitchline_spool_damaged_segments",
            "Segments damaged on disk",
            [({}, self._terms.damages + loads.damages)],
        )
        restarts: list[Sample] = [
            ({"process": process, "reason": reason}, count)
            for (process, reason), count in self._terms.restarts.items()
        ]
        yield "counter", "stitchline_process_restarts", "Processes that had to be started again", restarts
        yield "gauge", "stitchline_spool_max_bytes", "Bytes that may wait", [({}, self._spool.max_bytes)]
        yield "gauge", "stitchline_ready", "1 when it can acknowledge", [({}, float(not self._unready()))]

    def _stitch_terms(self) -> Iterable[tuple[str, str, str, list[Sample]]]:
        stitch = self._progress()
        yield "counter", "stitchline_stitch_rounds", "Rounds that found evidence", [({}, stitch.rounds)]
        yield (
            "counter",
            "stitchline_stitch_failures",
            "Rounds that ClickHouse broke off",
            [({}, stitch.failures)],
        )
        yield "counter", "stitchline_stitch_edges", "Evidence edges read", [({}, stitch.edges)]
        yield (
            "counter",
            "stitchline_stitch_changes",
            "Nodes that got another person",
            [({}, stitch.persons_changed)],
        )
        yield (
            "counter",
            "stitchline_stitch_rebuilds",
            "Times everybody was decided anew",
            [({}, stitch.rebuilds)],
        )
        yield "counter", "stitchline_stitch_refused", "Edges put into quarantine", [({}, stitch.refused)]
        yield (
            "gauge",
            "stitchline_stitch_lag_seconds",
            "Age of the oldest evidence when stitched",
            [({}, stitch.lag_s)],
        )
        yield (
            "gauge",
            "stitchline_stitch_round_seconds",
            "Length of the last round",
            [({}, stitch.last_round_s)],
        )
        yield (
            "gauge",
            "stitchline_stitch_standby",
            "1 while another process stitches",
            [({}, float(stitch.standby))],
        )


def _by_kind(value: Callable[[str], float]) -> list[Sample]:
    return [({"kind": kind}, value(table)) for table, kind in _KINDS.items()]


def _by_reason(counts: Mapping[str, int]) -> list[Sample]:
    return [({"reason": reason}, count) for reason, count in dict(counts).items()]


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
