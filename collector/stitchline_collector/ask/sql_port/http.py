"""The port: `GET /`, `/ping`, and statements at any of ClickHouse's addresses.

Enters: HTTP. Leaves: an answer with a server's headers, or an error with its code, status and text.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Generator, Mapping

from aiohttp import web

from ...engine import EngineError, QueryError, Reader, ReadLimits
from ..readers import Readers
from ..sql import content_type
from .answer import Outlet, abort, compressed, compressor_for
from .blocks import block
from .errors import AUTHENTICATION_FAILED, UNKNOWN_DATABASE, code_of, status_of, text_of
from .hello import hello, is_hello
from .readings import Connect, Readings
from .request import Request, key_of, read, wants_blocks
from .settings import CHANGEABLE, granted

HOST = "127.0.0.1"
_NAME = "stitchline"
_MAX_STATEMENT_BYTES = 1024 * 1024
_ABOUT = "SELECT version(), timezone()"
_OUR_SETTINGS = f"SELECT * REPLACE (toUInt8(NOT ({CHANGEABLE})) AS readonly) FROM system.settings"  # noqa: S608 -- our own text
_SETTINGS_TABLE = " FROM system.settings"
May = Callable[[str, str], bool]


class SqlPort:
    """Answers as a ClickHouse server whose user may only read.

    Args:
        connect: Opens a reader with settings and limits; raises EngineUnavailable while ClickHouse is away.
        may: Whether a key has a right; ours is `read`.
        limits: The most that a statement may cost.
        development: Whether any key is accepted; then only requests to a loopback name are answered.
        threads: Statements that run at the same time.
    """

    def __init__(
        self,
        connect: Connect,
        may: May,
        limits: ReadLimits,
        *,
        development: bool,
        threads: int = 4,
    ) -> None:
        self._readers: Readers[Readings] = Readers(lambda: Readings(connect), threads)
        self._may = may
        self._limits = limits
        self._development = development
        self._site: web.TCPSite | None = None
        self._open: dict[int, web.Request] = {}  # by id: a request has no hash
        self._about: tuple[str, str] = ("", "UTC")
        app = web.Application(client_max_size=_MAX_STATEMENT_BYTES)
        app.router.add_get("/ping", _ok)
        app.router.add_get("/replicas_status", _ok)
        app.router.add_route("*", "/", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)

    async def start(self, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, HOST, port)
        await self._site.start()

    async def stop(self) -> None:
        """Take no more, cut what runs, close the connections."""
        if self._site is not None:
            await self._site.stop()
        cut = tuple(self._open.values())
        self._open.clear()
        for request in cut:
            # A client that does not read would keep its thread, and with it the engine, for a minute.
            abort(request)
        await self._runner.cleanup()
        await asyncio.to_thread(self._readers.close)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {"X-ClickHouse-Server-Display-Name": _NAME}
        try:
            self._check(request)
            asked = await read(request, _MAX_STATEMENT_BYTES)
            if not asked.statement:
                return await _ok(request)
            headers["X-ClickHouse-Query-Id"] = asked.query_id
            return await self._run(request, asked, headers)
        except web.HTTPRequestEntityTooLarge:
            return self._error(
                request, QueryError(f"a statement may have {_MAX_STATEMENT_BYTES} bytes", 62), headers
            )
        except EngineError as error:
            return self._error(request, error, headers)

    def _check(self, request: web.Request) -> None:
        if self._development and not _is_loopback(request.url.host or ""):
            # A page from elsewhere could have its own name point here.
            raise QueryError("without keys only a loopback name is answered", AUTHENTICATION_FAILED)
        if not self._may(key_of(request), "read"):
            raise QueryError(
                "default: Authentication failed: the password is a key of kind `read` or `admin` of the collector's configuration",
                AUTHENTICATION_FAILED,
            )

    async def _run(self, request: web.Request, asked: Request, headers: dict[str, str]) -> web.StreamResponse:
        settings, limits = granted(asked.settings, self._limits)
        loop = asyncio.get_running_loop()
        self._open[id(request)] = request
        try:
            return await self._readers.ask(
                lambda readings: self._reply(readings.reader(settings, limits), request, asked, headers, loop)
            )
        finally:
            self._open.pop(id(request), None)

    def _reply(
        self,
        reader: Reader,
        request: web.Request,
        asked: Request,
        headers: dict[str, str],
        loop: asyncio.AbstractEventLoop,
    ) -> web.StreamResponse:
        """Answer, on a thread; whole if the client wants that, else part by part."""
        began = time.monotonic_ns()
        if asked.database not in ("", "default", reader.database):
            raise QueryError(f"Database {asked.database} does not exist", UNKNOWN_DATABASE)
        version, timezone = self._about = self._about if self._about[0] else _about(reader)
        canonical, own_format = reader.read(asked.statement)
        fmt = own_format or asked.fmt
        parts: Generator[bytes, None, None]
        if is_hello(canonical, fmt, asked.settings.get("client_protocol_version", "")):
            parts = hello(_NAME, version, timezone)
        else:
            parts = reader.stream(_with_ours(canonical), fmt, asked.parameters)
        encoding, compressor = compressor_for(asked.encodings, in_blocks=asked.in_blocks)
        headers = {
            **headers,
            "Content-Type": content_type(fmt),
            "X-ClickHouse-Format": fmt,
            "X-ClickHouse-Timezone": timezone,
            **({"Content-Encoding": encoding} if encoding else {}),
        }
        if asked.whole:
            body = b"".join(compressed(parts, compressor))
            headers["X-ClickHouse-Summary"] = f'{{"elapsed_ns":"{time.monotonic_ns() - began}"}}'
            return web.Response(body=body, headers=headers)
        outlet = Outlet(request, headers, loop, self._open)
        return outlet.send(parts, compressor, lambda error: text_of(error, version))

    def _error(self, request: web.Request, error: EngineError, headers: Mapping[str, str]) -> web.Response:
        told = text_of(error, self._about[0]).encode()
        return web.Response(
            status=status_of(error),
            body=block(told) if wants_blocks(request) else told,
            content_type="text/plain",
            charset="utf-8",
            headers={**headers, "X-ClickHouse-Exception-Code": str(code_of(error))},
        )


def _about(reader: Reader) -> tuple[str, str]:
    version, timezone = reader.query(_ABOUT)[0]
    return version, timezone


def _with_ours(canonical: str) -> str:
    """Let `system.settings` tell what this port lets a client send: clients look there before they send anything."""
    before, table, after = canonical.partition(_SETTINGS_TABLE)
    if not table or "'" in before or (after and not after.startswith(" ")):
        return canonical
    return f"{before} FROM ({_OUR_SETTINGS}){after}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n", headers={"Content-Type": "text/html; charset=UTF-8"})
