"""The composition root: one collector process, all rooms wired together.

    receive -> decode -> enrich -> spool -> load -> stitch -> ask

The event loop receives, decodes and enriches; the spool, the loader and the stitcher have a thread each; questions run in a
small pool. Whatever ClickHouse does, the event loop never waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from . import settings as settings_module
from .activate.activator import Activator, agrees
from .activate.http import WebhookRoutes
from .activate.inbox import feed, starve
from .activate.outbox import Message, Outbox
from .activate.sender import Sender
from .activate.webhooks import check
from .ask import Asking
from .ask.sql_port import SqlPort
from .corrections import Corrections
from .decode import Limits
from .dialects.doors import Doors
from .engine import ReadLimits
from .enrich import Enricher
from .enrich.contacts import Contacts
from .enrich.geo import GeoDatabase
from .enrich.privacy import Privacy
from .ingest import Ingest
from .journeys import journey_text
from .journeys import read as read_journey
from .load import Loader
from .observe import Observer
from .page import PageRoutes
from .rebuild_request import RebuildRequest
from .receive import Key, Keys, Receiver
from .receive.body import BodyLimits
from .receive.key_file import KeyFile, KeyFileError, in_force
from .receive.proxies import Proxies
from .receive.rates import AddressRates
from .replay import Replay
from .segments import SegmentRoutes, segments_in
from .settings import Settings
from .spool import Folder, Segment, Spool, adopt
from .spool.writer import Seal
from .stitch import Progress, Stitcher
from .warehouse import Warehouse

ADOPT_EVERY_S = 5.0
READ_KEYS_EVERY_S = 1.0
MAY_BE_ON_ITS_WAY = 8  # segments of a folder: of two tables, not always sealed in the order they were opened
log = logging.getLogger(__name__)


class Collector:
    """One collector process.

    Args:
        settings: The effective settings.

    Raises:
        SettingsError, JourneyError, SegmentError, WebhookError, KeyFileError, OSError, maxminddb.InvalidDatabaseError: the settings cannot be
            served.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spool_path = settings.data_path / "spool"
        self._key_file = KeyFile(settings.data_path)
        self._keys_seen = self._key_file.state()  # before it is read: what comes between is read again
        self._keys = Keys(settings.keys, _made_keys(self._key_file))
        journey = journey_text(settings.journey)
        self._segments = segments_in(settings.segments)
        milestones = None if journey is None else {one.name for one in read_journey(journey).milestones}
        self._webhook_keys = check(settings.webhooks, milestones, self._segments)
        self._warehouse = Warehouse(
            settings.dsn, _read_limits(settings), journey, feed if settings.webhooks else starve
        )
        self._loader = Loader(self._warehouse.session, self._on_gone)
        self._adopted: dict[Path, Folder] = {}
        self._recovered = {"events": 0, "failed": 0}
        self._damages = 0  # segments found damaged when they were adopted
        self._stopping = threading.Event()
        self._started = contextlib.AsyncExitStack()
        self._stitcher: Stitcher | None = None
        self._stitching = threading.Thread(target=self._stitch, name="stitcher", daemon=True)
        contacts = Contacts(settings_module.contact_key(settings), settings.phone_region)
        self._stored = contacts.stored
        self._asking = Asking(self._warehouse.reader, self._may, self._stored)
        geo = GeoDatabase(Path(settings.geo_database) if settings.geo_database else None)
        self._enricher = Enricher(contacts, Privacy(required=settings.require_consent), geo)

    async def start(self) -> None:
        """Recover what is on disk, open ClickHouse and listen.

        Raises:
            ValueError, EngineError, MigrationEdited: ClickHouse cannot be used, now or ever, with these settings.
            OSError: the data folder or the port cannot be used.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()  # the embedded engine must be closed, or the process dies in it
            raise

    async def stop(self) -> None:
        """Take no more, make everything durable, load what the time allows, end: the start backwards."""
        self._stopping.set()
        await self._started.aclose()

    async def _start(self) -> None:
        settings, started = self._settings, self._started
        seal = Seal(settings.seal_age_s, settings.seal_rows, settings.seal_bytes)
        self._spool = Spool(
            self._spool_path,
            seal,
            settings.max_spool_bytes,
            self._loader.submit,
            lambda: self._loader.backlog,
        )
        started.callback(self._spool.remove_folder_if_empty)
        limits = Limits(settings.max_batch_events, settings.max_event_bytes, settings.max_json_depth)
        ingest = Ingest(limits, self._enricher, self._spool)
        self._adopt()
        started.callback(self._warehouse.close)
        await asyncio.to_thread(self._warehouse.open)
        started.push_async_callback(asyncio.to_thread, self._asking.close)
        self._loader.start()
        started.push_async_callback(self._stop_loading)
        self._spool.start()
        started.push_async_callback(self._spool.close)
        self._stitching.start()
        started.push_async_callback(asyncio.to_thread, self._stitching.join, settings.stop_timeout_s)
        await self._open_webhooks()
        for name, work in (("adopt", self._keep_adopting), ("keys", self._keep_reading_keys)):
            started.callback(asyncio.create_task(work(), name=name).cancel)  # which also keeps the task alive
        corrections = Corrections(ingest, self._stored, self._may)
        await self._open_sql_port()
        await self._listen(ingest, limits, Replay(ingest, limits, self._warehouse, self._may), corrections)

    async def _stop_loading(self) -> None:
        if not await asyncio.to_thread(self._loader.stop, self._settings.stop_timeout_s):
            log.warning("%d segments stay on disk and are loaded after the next start", self._loader.backlog)

    async def _open_webhooks(self) -> None:
        """The activator decides on a thread of its own; the sender sends on the event loop."""
        settings, loop = self._settings, asyncio.get_running_loop()
        outbox = self._outbox = await asyncio.to_thread(Outbox, settings.data_path)
        self._started.callback(outbox.close)
        sender = self._sender = Sender(settings.webhooks, self._webhook_keys, outbox, self._still_agrees)
        self._started.push_async_callback(sender.stop)
        await sender.start()

        def send(messages: list[Message]) -> None:
            loop.call_soon_threadsafe(sender.submit, messages)

        activator = Activator(
            settings.webhooks,
            self._segments,
            outbox,
            send,
            self._progress,
            settings.segment_sweep_s,
        )
        self._webhook_routes = WebhookRoutes(settings.webhooks, outbox, sender, activator, self._asking)
        if settings.webhooks:
            activating = threading.Thread(
                target=self._activate, args=(activator,), name="activator", daemon=True
            )
            activating.start()
            self._started.push_async_callback(asyncio.to_thread, activating.join, settings.stop_timeout_s)

    def _activate(self, activator: Activator) -> None:
        while not self._warehouse.wait(0.5):
            if self._stopping.is_set():
                return
        activator.run(self._warehouse.engine(), self._stopping)

    async def _still_agrees(self, message: Message) -> bool:
        return await self._asking.readers.ask(lambda reader: agrees(reader, message.node, message.purpose))

    async def _open_sql_port(self) -> None:
        if not self._settings.sql_port:
            return
        port = SqlPort(
            self._warehouse.reader,
            self._may,
            _read_limits(self._settings),
            development=self._keys.development,
        )
        self._started.push_async_callback(port.stop)
        await port.start(self._settings.sql_port)

    @property
    def port(self) -> int:
        """The port it listens on, also where the settings say 0."""
        port: int = self._runner.addresses[0][1]
        return port

    async def _listen(self, ingest: Ingest, limits: Limits, replay: Replay, corrections: Corrections) -> None:
        settings = self._settings
        body_limits = BodyLimits(
            settings.max_body_bytes, settings.max_inflated_bytes, settings.body_timeout_s
        )
        receiver = Receiver(
            ingest,
            self._keys,
            body_limits,
            Proxies(settings.trusted_proxies, settings.proxy_header),
            AddressRates(settings.max_events_per_s_per_address),
        )
        observer = Observer(
            receiver,
            ingest,
            self._spool,
            self._loader,
            self._warehouse,
            self._progress,
            self._recovered,
            lambda: self._damages + self._loader.loads.damages,
            self._stopping.is_set,
            self._webhook_routes.terms,
        )
        app = web.Application(client_max_size=settings.max_body_bytes)
        for room in (
            receiver,
            observer,
            self._asking,
            SegmentRoutes(self._segments, self._asking),
            self._webhook_routes,
            replay,
            corrections,
            RebuildRequest(self._ask_for_rebuild, self._may),
            PageRoutes(),
            Doors(receiver, ingest, limits, body_limits),
        ):
            app.add_routes(room.routes())
        logging.getLogger("aiohttp.server").addFilter(_is_ours)
        # The body arrives as it was sent: inflating it is ours, within limits.
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=5.0)
        self._started.push_async_callback(self._runner.cleanup)
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.port, backlog=1024)
        await site.start()

    def _may(self, key: str, right: str) -> bool:
        """Whether a key has a right; in development mode every key has every right."""
        return self._keys.grant(key, right) is not None

    def _stitch(self) -> None:
        while not self._warehouse.wait(0.5):
            if self._stopping.is_set():
                return
        self._stitcher = Stitcher(
            self._warehouse.engine(), self._settings.identity, interval_s=self._settings.stitch_interval_s
        )
        self._stitcher.run(self._stopping)

    def _ask_for_rebuild(self) -> None:
        if self._stitcher:  # else everything will be decided by the rules of now anyway
            self._stitcher.ask_for_rebuild()

    def _progress(self) -> Progress:
        return self._stitcher.progress if self._stitcher else Progress()

    def _adopt(self) -> None:
        for folder, segments in adopt(self._spool_path):
            self._adopted[folder.path] = folder
            self._spool.adopted(segments)
            for place, segment in enumerate(segments):
                self._recovered[segment.table] += segment.rows
                # The loader goes in order, so only one of the first can have been on its way.
                # Rows move within a mended segment, while the parts of a split one are known by their places.
                doubtful = place < MAY_BE_ON_ITS_WAY or folder.damages > 0
                self._loader.submit(segment, sent_before=doubtful)
            self._damages += folder.damages
            log.info("adopted %s: %d segments to load", folder.path, len(segments))

    async def _keep_adopting(self) -> None:
        """Adopt what processes that die while this one lives leave behind."""
        while True:
            await asyncio.sleep(ADOPT_EVERY_S)
            try:
                await asyncio.to_thread(self._adopt)
                self._sender.submit(await asyncio.to_thread(self._outbox.adopt))
            except OSError as error:
                log.warning("cannot adopt now, trying again: %s", error)

    async def _keep_reading_keys(self) -> None:
        """Take over what `stitchline keys` changes; what cannot be read changes nothing."""
        said = ""
        while True:
            await asyncio.sleep(READ_KEYS_EVERY_S)
            try:
                found = await asyncio.to_thread(self._key_file.state)
                if found == self._keys_seen:
                    continue
                if found is None:
                    raise FileNotFoundError(f"{self._key_file.path} is gone")
                self._keys.change(await asyncio.to_thread(_made_keys, self._key_file))
            except (OSError, KeyFileError) as error:
                if str(error) != said:
                    log.error("the keys stay as they were: %s", error)  # noqa: TRY400
                said = str(error)
            else:
                log.info("keys read again from %s", self._key_file.path)
                self._keys_seen, said = found, ""

    def _on_gone(self, segment: Segment) -> None:
        """A segment left the disk (called on the loader's thread)."""
        self._spool.freed(segment.size)
        folder = self._adopted.get(segment.path.parent)
        if folder is not None and folder.remove_if_empty():
            del self._adopted[segment.path.parent]


def _made_keys(file: KeyFile) -> list[tuple[bytes, Key]] | None:
    keys = file.read()
    return None if keys is None else in_force(keys)


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


def _is_ours(record: logging.LogRecord) -> bool:
    """What is no HTTP is answered 400; a traceback for each scan of the port would hide what matters."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _read_limits(settings: Settings) -> ReadLimits:
    return ReadLimits(
        time_s=int(settings.sql_timeout_s) or 1,
        result_rows=settings.sql_max_rows,
        memory_bytes=settings.sql_max_memory_bytes,
    )
