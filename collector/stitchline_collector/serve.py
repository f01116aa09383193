"""The composition root: one collector process, all rooms wired together.

    receive -> decode -> enrich -> spool -> load -> stitch -> ask

The event loop receives, decodes and enriches; the spool, the loader and the stitcher have a thread each; questions run in a
small pool. Whatever ClickHouse does, the event loop never waits for it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from . import settings as settings_module
from .ask import Asking
from .decode import Limits
from .engine import EngineError, ReadLimits
from .enrich import Enricher
from .enrich.contacts import Contacts
from .enrich.geo import GeoDatabase
from .enrich.privacy import Privacy
from .ingest import Ingest
from .load import Loader
from .metrics import CONTENT_TYPE, Metrics, Sample
from .receive import Keys, NotDurable, Receiver
from .receive.body import BodyLimits
from .receive.events import key_of
from .receive.refusals import Refusal, unavailable, unknown_key
from .replay import Replay
from .settings import Settings
from .spool import Folder, Segment, Spool, adopt
from .spool.writer import Seal
from .stitch import Stitcher
from .warehouse import Warehouse

ADOPT_EVERY_S = 30.0
log = logging.getLogger(__name__)


class Collector:
    """One collector process.

    Args:
        settings: The effective settings.

    Raises:
        SettingsError, OSError: the settings cannot be served.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spool_path = settings.data_path / "spool"
        self._keys = Keys(settings.keys)
        self._warehouse = Warehouse(settings.dsn, _read_limits(settings))
        self._loader = Loader(self._warehouse.session, self._on_gone)
        self._stitcher = Stitcher(self._warehouse.session, settings.stitch_interval_s)
        self._adopted: dict[Path, Folder] = {}
        self._recovered = {"events": 0, "failed": 0}
        self._stopping = False
        contacts = Contacts(settings_module.contact_key(settings), settings.phone_region)
        self._asking = Asking(self._warehouse.reader, self._may, contacts.stored)
        geo = GeoDatabase(Path(settings.geo_database) if settings.geo_database else None)
        self._enricher = Enricher(contacts, Privacy(required=settings.require_consent), geo)

    async def start(self) -> None:
        """Recover what is on disk, open ClickHouse and listen.

        Raises:
            ValueError, EngineError, MigrationEdited: ClickHouse cannot be used, now or ever, with these settings.
            OSError: the data folder or the port cannot be used.
        """
        settings = self._settings
        self._folder = Folder.create(self._spool_path)
        self._spool = Spool(
            self._folder,
            Seal(settings.seal_age_s, settings.seal_rows, settings.seal_bytes),
            settings.max_spool_bytes,
            self._loader.submit,
            lambda: self._loader.backlog,
        )
        limits = Limits(settings.max_batch_events, settings.max_event_bytes, settings.max_json_depth)
        self._ingest = Ingest(limits, self._enricher, self._spool)
        self._replay = Replay(self._ingest, self._spool, limits)
        self._adopt()
        await asyncio.to_thread(self._warehouse.open)
        self._spool.start()
        self._loader.start()
        self._stitcher.start()
        self._adopting = asyncio.create_task(self._keep_adopting(), name="adopt")
        await self._listen()

    async def stop(self) -> None:
        """Take no more, make everything durable, load what the time allows, end."""
        self._stopping = True
        await self._site.stop()
        await self._runner.cleanup()
        self._adopting.cancel()
        await self._spool.close()
        loaded = await asyncio.to_thread(self._loader.stop, self._settings.stop_timeout_s)
        if not loaded:
            log.warning("%d segments stay on disk and are loaded after the next start", self._loader.backlog)
        await asyncio.to_thread(self._stitcher.stop)
        self._asking.close()
        self._warehouse.close()
        if loaded:
            self._folder.remove_if_empty()

    @property
    def port(self) -> int:
        """The port it listens on, also where the settings say 0."""
        port: int = self._runner.addresses[0][1]
        return port

    # -- HTTP ------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        settings = self._settings
        body_limits = BodyLimits(
            settings.max_body_bytes, settings.max_inflated_bytes, settings.body_timeout_s
        )
        self._receiver = Receiver(self._ingest, self._keys, body_limits, settings.trusted_proxies)
        self._metrics = Metrics(self._measure)
        app = web.Application(client_max_size=settings.max_body_bytes)
        app.add_routes(self._receiver.routes())
        app.add_routes(self._asking.routes())
        app.add_routes(
            [
                web.get("/health/live", self._live),
                web.get("/health/ready", self._ready),
                web.get("/metrics", self._expose),
                web.post("/v1/failed/replay", self._replay_failed),
            ]
        )
        # The body arrives as it was sent: inflating it is ours, within limits.
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=5.0)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, settings.host, settings.port, backlog=1024)
        await self._site.start()

    async def _live(self, _request: web.Request) -> web.Response:
        return _json({"live": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        """Ready means: it can acknowledge. ClickHouse may be away; that is `loading`."""
        why = self._unready()
        loading = self._loader.loads.fault or (
            "ok" if self._warehouse.is_open else "ClickHouse has not answered yet"
        )
        body = {"ready": not why, "why": why, "loading": loading, "spooled_events": self._spooled("events")}
        return _json(body, 503 if why else 200)

    def _unready(self) -> str:
        if self._stopping:
            return "stopping"
        if self._spool.is_full:
            return "the spool is full"
        return f"the spool cannot be written: {self._spool.fault.strerror}" if self._spool.fault else ""

    async def _expose(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _replay_failed(self, request: web.Request) -> web.Response:
        try:
            if not self._may(key_of(request), "admin"):
                raise unknown_key(given=bool(key_of(request)))
            return _json(await self._replay_now(request))
        except Refusal as refusal:
            return refusal.response()

    async def _replay_now(self, request: web.Request) -> Any:
        try:
            limit = int(request.query.get("limit", "10000"))
            reader = await asyncio.to_thread(self._warehouse.reader)
            session = await asyncio.to_thread(self._warehouse.session)
            try:
                return await self._replay(reader, session, request.query.get("reason", ""), limit)
            finally:
                reader.close()
                session.close()
        except ValueError:
            raise Refusal(400, "limit is not a number", "send ?limit=100") from None
        except (EngineError, NotDurable) as error:
            raise unavailable(str(error)) from None

    def _may(self, key: str, right: str) -> bool:
        """Whether a key has a right; in development mode every key has every right."""
        return self._keys.grant(key, right) is not None

    # -- spool -----------------------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        for folder, segments in adopt(self._spool_path):
            self._adopted[folder.path] = folder
            self._spool.adopted(segments)
            for segment in segments:
                self._recovered[segment.table] += segment.rows
                self._loader.submit(segment)
            log.info("adopted %s: %d segments to load", folder.path, len(segments))

    async def _keep_adopting(self) -> None:
        """Adopt what processes that die while this one lives leave behind."""
        while True:
            await asyncio.sleep(ADOPT_EVERY_S)
            await asyncio.to_thread(self._adopt)

    def _on_gone(self, segment: Segment) -> None:
        """A segment left the disk (called on the loader's thread)."""
        self._spool.freed(segment.size)
        folder = self._adopted.get(segment.path.parent)
        if folder is not None and folder.remove_if_empty():
            del self._adopted[segment.path.parent]

    def _spooled(self, table: str) -> int:
        return self._spool.open_rows(table) + self._loader.waiting_rows(table)

    # -- metrics ---------------------------------------------------------------------------------------------------

    def _measure(self) -> Iterable[tuple[str, str, str, list[Sample]]]:
        ingested, loads = self._ingest.ingested, self._loader.loads
        rejected = sum(ingested.rejected.values())
        kinds = {"events": "accepted", "failed": "rejected"}

        def by_kind(value: Callable[[str], float]) -> list[Sample]:
            return [({"kind": kind}, value(table)) for table, kind in kinds.items()]

        reasons: list[Sample] = [({"reason": reason}, count) for reason, count in ingested.rejected.items()]
        replies: list[Sample] = [({"status": str(status)}, n) for status, n in self._receiver.replies.items()]
        counter, gauge = "counter", "gauge"
        yield (
            counter,
            "stitchline_events_received",
            "Events in acknowledged requests",
            [({}, ingested.accepted + rejected)],
        )
        yield (
            counter,
            "stitchline_events_accepted",
            "Events acknowledged and on disk",
            [({}, ingested.accepted)],
        )
        yield counter, "stitchline_events_rejected", "Events kept in failed_events, by reason", reasons
        yield (
            counter,
            "stitchline_rows_recovered",
            "Rows found on disk at start",
            by_kind(self._recovered.__getitem__),
        )
        yield counter, "stitchline_rows_loaded", "Rows in ClickHouse", by_kind(loads.loaded.__getitem__)
        yield (
            counter,
            "stitchline_rows_isolated",
            "Rows ClickHouse refused",
            by_kind(loads.isolated.__getitem__),
        )
        yield (
            counter,
            "stitchline_rows_damaged",
            "Rows lost to a damaged disk",
            by_kind(loads.damaged.__getitem__),
        )
        yield gauge, "stitchline_rows_spooled", "Rows on disk, not in ClickHouse yet", by_kind(self._spooled)
        yield gauge, "stitchline_spool_bytes", "Bytes of the spool on disk", [({}, self._spool.bytes)]
        yield gauge, "stitchline_spool_segments", "Sealed segments waiting", [({}, self._loader.backlog)]
        yield counter, "stitchline_spool_commits", "Group commits", [({}, self._spool.commits)]
        yield counter, "stitchline_load_retries", "Inserts that have to be repeated", [({}, loads.retries)]
        yield counter, "stitchline_requests", "Requests to the event path, by status", replies
        yield gauge, "stitchline_ready", "1 when it can acknowledge", [({}, float(not self._unready()))]
        yield from self._stitcher.measure()


def run(settings: Settings, announce: Callable[[Collector], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: The effective settings.
        announce: Told when it listens.
    """
    try:
        import uvloop  # a quarter more small requests; the same at 50 events a request

        uvloop.run(_serve(settings, announce))
    except ImportError:
        asyncio.run(_serve(settings, announce))


async def _serve(settings: Settings, announce: Callable[[Collector], None]) -> None:
    collector = Collector(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await collector.start()
    # What exists now lives as long as the process. Collections after 50,000 new objects instead of 700: events are
    # untracked, so nothing of the event path waits to be collected.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    announce(collector)
    await stop.wait()
    log.info("stopping")
    await collector.stop()


def _read_limits(settings: Settings) -> ReadLimits:
    return ReadLimits(
        time_s=int(settings.sql_timeout_s) or 1,
        result_rows=settings.sql_max_rows,
        memory_bytes=settings.sql_max_memory_bytes,
    )


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
