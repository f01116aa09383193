"""How a process serves: from its start to SIGTERM, and how it listens.

Enters: something to start and stop, or routes. Guaranteed: it is stopped in good order, and what is no HTTP fills no log.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable
from typing import Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .logs import Log
from .settings import Settings

PULSE_EVERY_S = 1.0
BACKLOG = 1024
log = Log(__name__)


class Part(Protocol):
    """What is served by one process."""

    @property
    def port(self) -> int:
        """The port it listens on."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End in good order."""


def run(
    make: Callable[[], Part],
    announce: Callable[[int], None],
    until: int | None = None,
    pulse: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        make: Makes what is served.
        announce: Told its port when it listens.
        until: A file that can be read when it is time to stop.
        pulse: Called every `PULSE_EVERY_S` as long as the event loop runs.
    """
    try:
        import uvloop  # a quarter more small requests; the same at 50 events a request

        uvloop.run(_serve(make, announce, until, pulse))
    except ImportError:
        asyncio.run(_serve(make, announce, until, pulse))


async def _serve(
    make: Callable[[], Part],
    announce: Callable[[int], None],
    until: int | None,
    pulse: Callable[[], None] | None,
) -> None:
    part = make()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    beating = asyncio.create_task(_beat(pulse), name="pulse") if pulse else None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until is not None:
        loop.add_reader(until, stop.set)
    await part.start()
    # What exists now lives as long as the process. Collections after 50,000 new objects instead of 700: events are
    # untracked, so nothing of the event path waits to be collected.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    announce(part.port)
    await stop.wait()
    if until is not None:
        loop.remove_reader(until)
    log.info("stopping", event="stopping")
    await part.stop()
    if beating:
        beating.cancel()


async def _beat(pulse: Callable[[], None]) -> None:
    while True:
        pulse()
        await asyncio.sleep(PULSE_EVERY_S)


async def listen(
    app: web.Application,
    started: contextlib.AsyncExitStack,
    settings: Settings,
    listener: socket.socket | None = None,
) -> web.AppRunner:
    """Answer requests.

    Args:
        app: Knows the routes.
        started: Ends it.
        settings: The effective settings.
        listener: Where; None is the address of the settings.

    Raises:
        OSError: the port cannot be used.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    # The body arrives as it was sent: inflating it is ours, within limits.
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=5.0)
    started.push_async_callback(runner.cleanup)
    await runner.setup()
    site: web.BaseSite
    if listener is None:
        site = web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG)
    else:
        site = web.SockSite(runner, listener, backlog=BACKLOG)
    await site.start()
    return runner


def _is_ours(record: logging.LogRecord) -> bool:
    """What is no HTTP is answered 400; a traceback for each scan of the port would hide what matters. Nor is a sender's address."""
    if record.args:
        record.msg, record.args = "a request could not be answered", ()
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
