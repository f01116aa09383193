"""The composition root: one collector process, all rooms wired together.

    receive -> decode -> enrich -> spool -> load -> stitch -> ask

The event loop receives, decodes and enriches; the spool, the loader and the stitcher have a thread each; questions run in a
small pool. Whatever ClickHouse does, the event loop never waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import Future
from typing import Any

from aiohttp import web

from .activate.activator import Activator, agrees
from .activate.http import WebhookRoutes
from .activate.inbox import feed, starve
from .activate.outbox import Message, Outbox
from .activate.sender import Sender
from .activate.webhooks import check
from .ask import Asking
from .ask.sql_port import SqlPort
from .contact_keys import claim
from .corrections import Corrections
from .engine import Engine, EngineError, EngineUnavailable, ReadLimits
from .erasure.erasing import Erasing
from .erasure.http import ErasureRoutes
from .erasure.mail import Mail
from .erasure.withdrawing import Withdrawing, hear
from .front import Front
from .intake import Intake
from .journeys import journey_text
from .journeys import read as read_journey
from .load import Loader
from .logs import Log
from .observe import Observer
from .page import PageRoutes
from .rebuild_request import RebuildRequest
from .receive.refusals import in_our_shape
from .replay import Replay
from .retention import keep
from .segments import SegmentRoutes, segments_in
from .serving import listen
from .settings import Settings
from .stitch import Errand, Progress, Standby, Stitcher
from .suppression.exchange import Exchange
from .warehouse import Warehouse

_EXCHANGE_EVERY_S = 2.0
log = Log(__name__)


class Collector:
    """One collector process.

    Args:
        settings: The effective settings.
        intake: Where its segments come from; None is this process alone.
        listener: Where it listens; None is the address of the settings.

    Raises:
        SettingsError, JourneyError, SegmentError, WebhookError, KeyFileError, OSError, maxminddb.InvalidDatabaseError: the settings cannot be
            served.
    """

    def __init__(
        self, settings: Settings, intake: Intake | None = None, listener: socket.socket | None = None
    ) -> None:
        self._settings = settings
        self._front = Front(settings)
        self._intake = intake or Intake(settings.data_path / "spool")
        self._listener = listener
        journey = journey_text(settings.journey)
        self._segments = segments_in(settings.segments)
        milestones = None if journey is None else {one.name for one in read_journey(journey).milestones}
        self._webhook_keys = check(settings.webhooks, milestones, self._segments)
        self._warehouse = Warehouse(settings.dsn, _read_limits(settings), journey, self._prepare)
        self._loader = Loader(
            self._warehouse.session,
            self._intake.gone,
            self._intake.loads,
            self._front.suppressions,
            self._intake.damaged,
        )
        self._stopping = threading.Event()
        self._started = contextlib.AsyncExitStack()
        self._stitcher: Stitcher | None = None
        self._stitching = threading.Thread(target=self._stitch, name="stitcher", daemon=True)
        self._asking = Asking(self._warehouse.reader, self._front.may, self._front.stored)

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
        self._intake.open(self._front, self._loader)
        started.callback(self._intake.close)
        self._intake.look()
        started.callback(self._warehouse.close)
        await asyncio.to_thread(self._warehouse.open)
        started.push_async_callback(asyncio.to_thread, self._asking.close)
        self._loader.start()
        started.push_async_callback(self._stop_loading)
        await self._front.start(started)
        await self._open_webhooks()
        self._open_erasing()
        self._stitching.start()
        started.push_async_callback(asyncio.to_thread, self._stitching.join, settings.stop_timeout_s)
        looking = asyncio.create_task(self._keep_looking(), name="look")
        started.push_async_callback(self._stop_looking, looking)
        await self._open_sql_port()
        await self._listen()

    async def _stop_loading(self) -> None:
        if not await asyncio.to_thread(self._loader.stop, self._settings.stop_timeout_s):
            log.warning(
                "%(segments)d segments stay on disk and are loaded after the next start",
                event="segments_left",
                segments=self._loader.backlog,
            )

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

        activator = self._activator = Activator(
            settings.webhooks,
            self._segments,
            outbox,
            send,
            self._progress,
            settings.segment_sweep_s,
        )
        self._webhook_routes = WebhookRoutes(
            settings.webhooks, outbox, sender, activator, self._asking, self._front.may
        )
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

    def _prepare(self, engine: Engine) -> None:
        """Make of the tables what these settings want.

        Raises:
            OtherContactKey: they belong to another key of contacts.
        """
        claim(engine, self._front.contacts)
        (feed if self._settings.webhooks else starve)(engine)
        hear(engine, wanted=self._settings.erase_on_withdrawal)
        for number in range(engine.shards):
            session = engine.session(shard=number)
            try:
                changed = keep(session, self._settings.retention)
            finally:
                session.close()
            for table in changed:
                log.info(
                    "%(table)s: how long rows are kept has changed; old ones go as parts are merged",
                    event="retention_changed",
                    table=table,
                )

    def _open_erasing(self) -> None:
        front = self._front
        self._erasing = Erasing(
            self._settings.data_path,
            front.suppressions,
            front.stored,
            self._between_rounds,
            self._loader,
            self._activator.deciding,
            Mail(self._outbox, self._sender.forget, asyncio.get_running_loop()),
        )
        self._withdrawing = Withdrawing(self._erasing, self._between_rounds)
        if not self._settings.is_embedded:
            threading.Thread(target=self._keep_exchanging, name="exchange", daemon=True).start()

    def _keep_exchanging(self) -> None:
        """Tell other collectors who is taken again, and hear it, also while there is nothing to load."""
        exchange = Exchange(self._front.suppressions)
        while not self._stopping.wait(_EXCHANGE_EVERY_S):
            # Whoever loads tells of a ClickHouse that is away.
            with contextlib.suppress(EngineError), contextlib.closing(self._warehouse.session()) as session:
                while not self._stopping.wait(_EXCHANGE_EVERY_S):
                    exchange(session)

    def _behind(self) -> tuple[int, int]:
        """Rows on disk that are not in ClickHouse; rows that have left the disk so far."""
        loads = self._loader.loads
        gone = (loads.loaded, loads.isolated, loads.damaged, loads.erased)
        spooled = sum(self._intake.spooled(table) for table in loads.loaded)
        return spooled, sum(sum(counts.values()) for counts in gone)

    async def _open_sql_port(self) -> None:
        if not self._settings.sql_port:
            return
        port = SqlPort(
            self._warehouse.reader,
            self._front.may,
            _read_limits(self._settings),
            development=self._front.keys.development,
        )
        self._started.push_async_callback(port.stop)
        await port.start(self._settings.sql_port)

    @property
    def port(self) -> int:
        """The port it listens on, also where the settings say 0."""
        address = self._runner.addresses[0]
        return 0 if isinstance(address, str) else int(address[1])

    async def _listen(self) -> None:
        settings, front = self._settings, self._front
        observer = Observer(
            self._intake,
            front.spool,
            self._loader,
            self._warehouse,
            self._progress,
            self._stopping.is_set,
            self._webhook_routes.terms,
            self._withdrawing.terms,
        )
        app = web.Application(client_max_size=settings.max_body_bytes, middlewares=[in_our_shape])
        for room in (
            observer,
            self._asking,
            SegmentRoutes(self._segments, self._asking),
            self._webhook_routes,
            Replay(front.ingest, front.limits, self._warehouse, front.may),
            Corrections(front.ingest, front.stored, front.may),
            RebuildRequest(self._ask_for_rebuild, front.may),
            ErasureRoutes(self._erasing, front.suppressions, front.stored, front.may, self._behind),
            PageRoutes(),
            front,  # last: some addresses of other clients are patterns
        ):
            app.add_routes(room.routes())
        app.on_shutdown.append(self._asking.hang_up)
        self._runner = await listen(app, self._started, settings, self._listener)

    def _stitch(self) -> None:
        while not self._warehouse.wait(0.5):
            if self._stopping.is_set():
                return
        self._stitcher = Stitcher(
            self._warehouse.engine(),
            self._settings.identity,
            interval_s=self._settings.stitch_interval_s,
            contacts=self._front.contacts,
        )
        self._stitcher.run(self._stopping)

    def _ask_for_rebuild(self) -> None:
        if self._stitcher:  # else everything will be decided by the rules of now anyway
            if self._stitcher.progress.standby:
                raise Standby
            self._stitcher.ask_for_rebuild()

    def _between_rounds(self, errand: Errand) -> Future[Any]:
        if self._stitcher:
            return self._stitcher.between_rounds(errand)
        raise EngineUnavailable(self._warehouse.fault or "the collector is starting")

    def _progress(self) -> Progress:
        return self._stitcher.progress if self._stitcher else Progress()

    async def _keep_looking(self) -> None:
        """Take what other processes leave behind while this one lives."""
        while True:
            await asyncio.sleep(self._intake.look_every_s)
            try:
                await asyncio.to_thread(self._intake.look)
                self._sender.submit(await asyncio.to_thread(self._outbox.adopt))
                await asyncio.to_thread(self._erasing.resume)
                if self._settings.erase_on_withdrawal:
                    self._withdrawing.look()
            except OSError as error:
                log.warning(
                    "cannot look at the spool now, trying again: %(error)s",
                    event="spool_not_looked_at",
                    error=error,
                )

    async def _stop_looking(self, looking: asyncio.Task[None]) -> None:
        """Look until those who write for this process have ended, once more, and no more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.stop_timeout_s):
                while not await asyncio.to_thread(self._intake.is_last):  # noqa: ASYNC110 -- files tell no events
                    await asyncio.sleep(self._intake.look_every_s)
        looking.cancel()


def _read_limits(settings: Settings) -> ReadLimits:
    return ReadLimits(
        time_s=int(settings.sql_timeout_s) or 1,
        result_rows=settings.sql_max_rows,
        memory_bytes=settings.sql_max_memory_bytes,
    )
