"""Plays scenarios one after the other with one driver.

In: a driver and a choice of scenarios. Out: a `Report`. Guaranteed: a driver that ends or hangs fails its scenario only.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web

from .checks import RULES
from .drivers import Driver, DriverGone, PollingDriver
from .recorder import Recorder
from .rules import findings
from .scenarios import Scenario
from .stage import Stage

PATIENCE_S = 20.0
_A_PERSON_S = 3600.0  # somebody has to start an app on a phone


class ScenarioResult(msgspec.Struct, frozen=True):
    """What came of a scenario.

    Attributes:
        name: the scenario.
        about: what happened in it.
        skipped: the abilities that were missing; empty when it was played.
        seconds: how long it took.
        findings: for each check that was looked at, what was found; nothing when it passed.
    """

    name: str
    about: str
    skipped: str
    seconds: float
    findings: dict[str, list[str]]

    @property
    def failed(self) -> list[str]:
        """The checks that failed."""
        return [check for check, found in self.findings.items() if found]


class Report(msgspec.Struct, frozen=True):
    """All results of one SDK."""

    sdk: str
    scenarios: list[ScenarioResult]

    @property
    def failed(self) -> list[str]:
        """Every check that failed, once."""
        return sorted({check for result in self.scenarios for check in result.failed})


async def play(
    driver: Driver,
    scenarios: Iterable[Scenario],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    patience_s: float = PATIENCE_S,
    announce: Callable[[str], None] = lambda _: None,
    told: Callable[[ScenarioResult], None] = lambda _: None,
) -> Report:
    """Play scenarios.

    Args:
        driver: makes the SDK do things.
        scenarios: which, in order.
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        patience_s: longest wait for something that must happen.
        announce: told where the kit listens.
        told: told each result at once.

    Raises:
        DriverGone: the driver did not say what it can.
        OSError: the address cannot be listened on.
    """
    recorder = Recorder()
    async with _listening(recorder, driver, host, port) as url:
        announce(url)
        try:
            waits_s = _A_PERSON_S if isinstance(driver, PollingDriver) else patience_s
            hello = await driver.tell({"id": 0, "do": "hello"}, waits_s)
            sdk = hello.get("sdk") or {}
            abilities = set(hello.get("can") or ())
            results = []
            with tempfile.TemporaryDirectory(prefix="stitchline-conformance-") as folder:
                for number, scenario in enumerate(scenarios):
                    state = Path(folder) / str(number)
                    state.mkdir()
                    stage = Stage(
                        driver,
                        recorder.open(str(number)),
                        f"{url}/s/{number}",
                        str(state),
                        abilities,
                        patience_s,
                    )
                    results.append(await _played(stage, scenario, abilities))
                    told(results[-1])
        finally:
            await driver.close()
    return Report(f"{sdk.get('name', 'an SDK')} {sdk.get('version', '')}".strip(), results)


async def _played(stage: Stage, scenario: Scenario, abilities: set[str]) -> ScenarioResult:
    missing = scenario.needs - abilities
    if missing:
        return ScenarioResult(scenario.name, scenario.about, f"cannot {', '.join(sorted(missing))}", 0.0, {})
    began = time.monotonic()
    try:
        await scenario.play(stage)
        stage.room.over = True
        for instance in stage.open.copy():
            await stage.do("close", instance, timeout_s=0.2)
    except DriverGone as gone:
        stage.check("calls", False, str(gone))
    stage.room.over = True
    found: dict[str, list[str]] = {check: [] for check in (*RULES, *scenario.checks)}
    for part in (findings(stage.room.seen, repeats="repeats" in abilities), stage.findings):
        for check, texts in part.items():
            found.setdefault(check, []).extend(texts)
    seconds = round(time.monotonic() - began, 2)
    return ScenarioResult(scenario.name, scenario.about, "", seconds, found)


@asynccontextmanager
async def _listening(recorder: Recorder, driver: Driver, host: str, port: int) -> AsyncIterator[str]:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes(recorder.routes())
    if isinstance(driver, PollingDriver):
        app.add_routes(driver.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
