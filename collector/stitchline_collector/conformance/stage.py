"""Where one scenario plays: commands to the driver, waiting, and what was found."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from .checks import CHECKS
from .drivers import Driver
from .recorder import WRITE_KEY, Room

# Hints: scenarios are then over quickly. An SDK without such settings is waited for.
QUICK = {"flush_interval_s": 0.05, "timeout_s": 1.0, "backoff_s": 0.1, "max_backoff_s": 0.4}
_QUIET_S = 0.3  # nothing comes for so long: the SDK is done
_POLL_S = 0.01
_numbers = itertools.count(1)


class Stage:
    """One scenario's SDK and room.

    Args:
        driver: makes the SDK do things.
        room: what the scripted collector sees.
        endpoint: where the SDK sends to.
        state: the scenario's folder.
        abilities: what the driver can.
        patience_s: longest wait for something that must happen.
    """

    def __init__(
        self, driver: Driver, room: Room, endpoint: str, state: str, abilities: set[str], patience_s: float
    ) -> None:
        self.room = room
        self.patience_s = patience_s
        self.findings: dict[str, list[str]] = {}
        self._driver = driver
        self._endpoint = endpoint
        self._state = state
        self.open: list[str] = []  # instances that were made and not ended
        self._storage = "memory" if "memory" in abilities else "disk"

    async def init(
        self, instance: str = "a", *, device: str = "phone", storage: str = "", **settings: float
    ) -> None:
        """Make an instance of the SDK."""
        await self.do(
            "init",
            instance,
            endpoint=self._endpoint,
            write_key=WRITE_KEY,
            state=self._state,
            storage=storage or self._storage,
            device={"type": device},
            channel="app",
            settings=QUICK | settings,
        )

    async def do(self, what: str, instance: str = "a", **with_: Any) -> dict[str, Any]:
        """Give one command; a failure is a finding."""
        command = {"id": next(_numbers), "do": what, "instance": instance, **with_}
        answer = await self._driver.tell(command, self.patience_s + float(with_.get("timeout_s", 0)))
        self._note(what, instance)
        if not answer.get("ok"):
            self.check("calls", False, f"{what}: {answer.get('error', 'not ok')}")
        return answer

    def _note(self, what: str, instance: str) -> None:
        if what == "init":
            self.open.append(instance)
        elif what == "close":
            self.open.remove(instance)
        elif what == "kill":
            self.open.clear()

    async def track(self, *names: str, instance: str = "a") -> None:
        """Say that things happened."""
        for name in names:
            await self.do("track", instance, name=name)

    async def flush(self, instance: str = "a") -> None:
        """Ask for delivery now, and wait until it is quiet."""
        await self.do("flush", instance, timeout_s=self.patience_s)
        await self.quiet()

    async def until(self, happened: Callable[[], bool]) -> bool:
        """Wait until something happened; False when patience is over."""
        deadline = time.monotonic() + self.patience_s
        while not happened():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def quiet(self) -> None:
        """Wait until no request has come for a moment."""
        deadline = time.monotonic() + self.patience_s
        number, since = -1, time.monotonic()
        while time.monotonic() < deadline:
            if len(self.room.seen) != number:
                number, since = len(self.room.seen), time.monotonic()
            elif time.monotonic() - since > _QUIET_S:
                return
            await asyncio.sleep(_POLL_S)

    async def arrives(self, *names: str, check: str = "delivered") -> bool:
        """Check that events arrive, each once, and that nothing more comes then."""
        came = await self.until(lambda: set(names) <= set(self.room.names))
        await self.quiet()
        arrived = Counter(self.room.names)
        missing = sorted(set(names) - set(arrived))
        self.check(check, came, f"did not arrive within {self.patience_s:g} s: {', '.join(missing[:5])}")
        twice = [name for name in names if arrived[name] > 1]
        self.check("delivered", not twice, f"arrived twice, under two ids: {', '.join(twice[:5])}")
        return came

    def check(self, name: str, holds: bool, found: str) -> None:  # noqa: FBT001 -- the condition itself
        """Record what was found, if the condition does not hold."""
        assert name in CHECKS, name  # noqa: S101 -- a scenario misspells it
        if not holds and found not in self.findings.setdefault(name, []):
            self.findings[name].append(found)
