"""How the kit makes an SDK do something: a program that reads commands, or one that asks for them over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec
from aiohttp import web

from .recorder import CORS

Message = dict[str, Any]
_POLL_S = 20.0
_LONGEST_LINE = 4 * 1024 * 1024


class DriverGone(Exception):
    """The driver does not answer; the message says what to do."""


class Driver(Protocol):
    """Does what it is told with one SDK."""

    async def tell(self, command: Message, timeout_s: float) -> Message:
        """Send a command and wait for its answer.

        Raises:
            DriverGone: it ended, or did not answer in time.
        """

    async def close(self) -> None:
        """End it."""


class ProcessDriver:
    """A program of its own: a command on each line of its input, an answer on each line of its output.

    Args:
        command: as in a shell, but without one.
    """

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)
        self._process: asyncio.subprocess.Process | None = None

    async def tell(self, command: Message, timeout_s: float) -> Message:
        """Send a command; the program is started when it does not run."""
        process = await self._running()
        assert process.stdin is not None  # noqa: S101 -- narrows the type
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(command) + b"\n")
            await process.stdin.drain()
        try:
            async with asyncio.timeout(timeout_s):
                async for line in _lines(process):
                    found = _answer(line, command["id"])
                    if found is not None:
                        return found
        except TimeoutError:
            await self.close()
            raise DriverGone(f"no answer to {command['do']!r} within {timeout_s:g} s") from None
        await self.close()
        if command["do"] == "kill":
            return {"ok": True}
        raise DriverGone(f"the driver ended at {command['do']!r}; its standard error says why")

    async def close(self) -> None:
        """Close its input, and kill it if it does not end by that."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101 -- narrows the type
        process.stdin.close()
        try:
            async with asyncio.timeout(2):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    limit=_LONGEST_LINE,
                )
            except OSError as error:
                raise DriverGone(f"{self._command[0]}: {error.strerror}") from None
        return self._process


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101 -- narrows the type
    while line := await process.stdout.readline():
        yield line


def _answer(line: bytes, number: int) -> Message | None:
    """The answer in a line; None where an SDK prints something of its own."""
    try:
        found = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) and found.get("id") == number else None


class PollingDriver:
    """An SDK that nobody can start from outside asks for its commands: `GET /driver`, `POST /driver`."""

    def __init__(self) -> None:
        self._commands: asyncio.Queue[Message] = asyncio.Queue(1)
        self._answers: asyncio.Queue[Message] = asyncio.Queue()

    def routes(self) -> list[web.RouteDef]:
        """The routes it asks at."""
        return [web.get("/driver", self._next), web.post("/driver", self._take)]

    async def tell(self, command: Message, timeout_s: float) -> Message:
        """Hand a command to whoever asks."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._commands.put(command)
                while (found := await self._answers.get()).get("id") != command["id"]:
                    pass
                return found
        except TimeoutError:
            raise DriverGone(f"nobody answered {command['do']!r} within {timeout_s:g} s") from None

    async def close(self) -> None:
        """Nothing to end."""

    async def _next(self, _request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_POLL_S):
                command = await self._commands.get()
        except TimeoutError:
            return web.Response(status=204, headers=CORS)
        return web.json_response(command, headers=CORS)

    async def _take(self, request: web.Request) -> web.Response:
        await self._answers.put(await request.json())
        return web.Response(status=204, headers=CORS)
