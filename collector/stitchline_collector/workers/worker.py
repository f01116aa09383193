"""One process that takes events: it waits for the disk and for nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import msgspec
from aiohttp import web

from ..front import Front
from ..receive.rates import Accounts
from ..receive.refusals import in_our_shape
from ..serving import listen
from ..settings import Settings
from ..spool import Folder, Segment
from ..spool.folder import size_on_disk
from .counts import Counts
from .forward import Forward

_MEASURE_EVERY_S = 1.0


class Worker:
    """One worker.

    Args:
        settings: The effective settings.
        group: The number of its group.
        listener: Where it takes events.
        loader: The unix socket of the process that loads.
        accounts: Where rates are kept, of all workers.
        counts: Where it counts as long as it has no folder.

    Raises:
        SettingsError, KeyFileError, OSError, maxminddb.InvalidDatabaseError: the settings cannot be served.
    """

    def __init__(
        self,
        settings: Settings,
        group: int,
        listener: socket.socket,
        loader: str,
        accounts: Accounts,
        counts: Counts,
    ) -> None:
        self._settings = settings
        self._group = group
        self._listener = listener
        self._front = Front(settings, accounts)
        self._forward = Forward(loader)
        self._spool_path = settings.data_path / "spool"
        self._started = contextlib.AsyncExitStack()
        self._folder: Folder | None = None  # until the disk has space for it
        self._counts = counts
        self._waiting = 0
        self._stopping = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    async def start(self) -> None:
        """Make a spool folder, or wait for the disk to have space for it, and listen.

        Raises:
            OSError: the data folder cannot be used.
        """
        started, front = self._started, self._front
        counts = self._counts
        front.open(
            self._make_folder, _left_on_disk, lambda: self._waiting, counts, counts.replies, counts.faults
        )
        started.callback(self._release_folder)
        await asyncio.to_thread(self._measure)
        await front.start(started)
        measuring = asyncio.create_task(self._keep_measuring(), name="measure")
        started.callback(measuring.cancel)
        await self._forward.start()
        started.push_async_callback(self._forward.close)
        app = web.Application(client_max_size=self._settings.max_body_bytes, middlewares=[in_our_shape])
        app.add_routes([web.get("/health/live", self.live), web.get("/health/ready", self.ready)])
        app.add_routes(front.routes())
        app.router.add_route("*", "/{path:.*}", self._forward)  # whatever it is, the loader knows it
        await listen(app, started, self._settings, self._listener)

    async def stop(self) -> None:
        """Take no more, make everything durable, end."""
        self._stopping = True
        await self._started.aclose()

    def _make_folder(self) -> Folder:
        folder = Folder.create(self._spool_path, self._group)
        self._counts.move_into(folder.path)
        self._folder = folder
        return folder

    def _release_folder(self) -> None:
        if self._folder:
            self._folder.release()  # for the loader to adopt, with the counts that stand in it

    async def live(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return _json({"live": True})

    async def ready(self, _request: web.Request) -> web.Response:
        """It can acknowledge, whatever the loader does; `loading` tells that."""
        why = self._unready()
        told = await self._forward.ready()
        body = {
            "ready": not why,
            "why": why,
            "loading": told["loading"],
            "spooled_events": told.get("spooled_events"),
        }
        return _json(body, 503 if why else 200)

    def _unready(self) -> str:
        spool = self._front.spool
        if self._stopping:
            return "stopping"
        if spool.is_full:
            return "the spool is full"
        return f"the spool cannot be written: {spool.fault.strerror}" if spool.fault else ""

    async def _keep_measuring(self) -> None:
        while True:
            await asyncio.sleep(_MEASURE_EVERY_S)
            with contextlib.suppress(OSError):  # a disk that is away is noticed where it is written
                await asyncio.to_thread(self._measure)
            self._counts.now["unready"] = bool(self._unready())

    def _measure(self) -> None:
        """Learn what the loader has removed meanwhile, and what others have written."""
        self._front.spool.measured(lambda: size_on_disk(self._spool_path))
        self._waiting = sum(1 for _ in self._folder.path.glob("*.sealed")) if self._folder else 0
        self._counts.single["commits"] = self._front.spool.commits


def _left_on_disk(_segment: Segment) -> None:
    """The loader finds it where it is."""


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
