"""The conformance kit: the Python SDK passes it, and every check finds an SDK that is broken there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stitchline_collector.conformance import (
    CHECKS,
    SCENARIOS,
    PollingDriver,
    ProcessDriver,
    Report,
    ScenarioResult,
    as_json,
    as_junit,
    play,
)
from stitchline_collector.conformance.checks import RULES, as_markdown
from stitchline_collector.conformance.recorder import reset, status
from stitchline_collector.conformance.scenarios import Scenario
from stitchline_collector.conformance.stage import Stage
from tests.spec.broken_driver import BREACHES

ROOT = Path(__file__).parents[2]
_DRIVER = f"env PYTHONPATH={ROOT} {sys.executable} -m tests.spec.python_driver"
_BROKEN = f"env PYTHONPATH={ROOT} {sys.executable} -m tests.spec.broken_driver"
# Which scenario shows a breach of a rule; of a check that several scenarios look at, the first one does.
_SHOWN_BY = {
    "sent_at": "unavailable",
    "same_bytes": "unavailable",
    "limits": "much",
    "device_id": "two",
    "reported": "refused",
}


def _scenario_of(check: str) -> str:
    named = (name for name, scenario in SCENARIOS.items() if check in scenario.checks)
    return _SHOWN_BY.get(check) or next(named, "calls")


def _played(*runs: tuple[str, str, float]) -> list[Report]:
    """Play (driver, scenario, patience in seconds), some at a time: they mostly wait."""

    async def all_of_them() -> list[Report]:
        turn = asyncio.Semaphore(4)

        async def one(driver: str, scenario: str, patience_s: float) -> Report:
            async with turn:
                return await play(ProcessDriver(driver), [SCENARIOS[scenario]], patience_s=patience_s)

        return await asyncio.gather(*(one(*run) for run in runs))

    return asyncio.run(all_of_them())


@pytest.fixture(scope="module")
def good() -> dict[str, ScenarioResult]:
    """What came of each scenario with the Python SDK as it is."""
    reports = _played(*((_DRIVER, name, 20.0) for name in SCENARIOS))
    return {report.scenarios[0].name: report.scenarios[0] for report in reports}


@pytest.fixture(scope="module")
def broken() -> dict[str, Report]:
    """What the kit found in an SDK with each breach."""
    reports = _played(*((f"{_BROKEN} {check}", _scenario_of(check), 4.0) for check in CHECKS))
    return dict(zip(CHECKS, reports, strict=True))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_python_sdk_conforms(name: str, good: dict[str, ScenarioResult]) -> None:
    result = good[name]
    assert {check: found for check, found in result.findings.items() if found} == {}
    assert result.skipped == ""
    assert set(result.findings) == {*RULES, *SCENARIOS[name].checks}


def test_the_python_sdk_conforms_with_required_consent() -> None:
    names = ["calls", "kiosk", "kill_and_restart", "two_killed"]
    reports = _played(*((f"{_DRIVER} opt-in", name, 20.0) for name in names))
    assert [(report.failed, report.scenarios[0].skipped) for report in reports] == [([], "")] * len(names)


@pytest.mark.parametrize("check", CHECKS)
def test_a_broken_sdk_is_found(check: str, broken: dict[str, Report]) -> None:
    assert check in broken[check].failed


def test_every_check_is_looked_at_and_has_a_breach() -> None:
    looked_at = {*RULES, *(check for scenario in SCENARIOS.values() for check in scenario.checks)}
    assert looked_at == set(CHECKS) == set(BREACHES)


def test_every_paragraph_exists() -> None:
    protocol = (ROOT / "sdk/spec/protocol.md").read_text()
    assert [check.id for check in CHECKS.values() if f"**{check.paragraph}** " not in protocol] == []


def test_the_checks_stand_in_their_page() -> None:
    assert as_markdown() in (ROOT / "sdk/spec/conformance.md").read_text(), (
        "run .venv/bin/python tools/write_spec.py"
    )


async def test_what_an_sdk_cannot_do_is_skipped_and_shown() -> None:
    class Incapable(ProcessDriver):
        async def tell(self, command: dict[str, object], timeout_s: float) -> dict[str, object]:
            answer = await super().tell(command, timeout_s)
            return {**answer, "can": ["memory"]} if command["do"] == "hello" else answer

    report = await play(Incapable(_DRIVER), [SCENARIOS["kiosk"], SCENARIOS["failing"]])

    assert [result.skipped for result in report.scenarios] == ["cannot clock", ""]
    assert json.loads(as_json(report))["skipped"] == 1
    assert ET.fromstring(as_junit(report)).find(".//skipped") is not None


# Twice each: a first wait may be next to nothing, and two attempts in one tick of the clock may have one `sent_at`.
async def _cut_twice(stage: Stage) -> None:
    stage.room.steps += [reset, reset]
    await stage.init()
    await stage.track("one")
    await stage.arrives("one")


async def _unavailable_twice(stage: Stage) -> None:
    stage.room.steps += [status(503), status(503)]
    await stage.init()
    await stage.track("one")
    await stage.arrives("one")


class _OfABrowser(ProcessDriver):
    """Says that its platform repeats requests by itself."""

    async def tell(self, command: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        answer = await super().tell(command, timeout_s)
        return {**answer, "can": [*answer["can"], "repeats"]} if command["do"] == "hello" else answer


@pytest.mark.parametrize(
    ("kind", "scene", "found"),
    [
        (ProcessDriver, _cut_twice, ["sent_at"]),
        (_OfABrowser, _cut_twice, []),  # it may have been the browser
        (_OfABrowser, _unavailable_twice, ["sent_at"]),  # no browser repeats what was answered
    ],
)
async def test_an_old_sent_at_after_a_broken_connection_is_forgiven_only_to_platforms_that_repeat(
    kind: type[ProcessDriver], scene: Callable[[Stage], Awaitable[None]], found: list[str]
) -> None:
    scenario = Scenario("scene", "", frozenset({"memory"}), ("delivered",), scene)

    report = await play(kind(f"{_BROKEN} sent_at"), [scenario])

    assert report.failed == found
    assert report.scenarios[0].skipped == ""


async def test_a_driver_that_ends_fails_its_scenario() -> None:
    report = await play(ProcessDriver(f"{_BROKEN} calls"), [SCENARIOS["calls"]], patience_s=3.0)
    assert "screen" in report.scenarios[0].findings["calls"][0]


def _kit(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stitchline_collector", "conformance", "serve", "--port", "0", *options]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_the_command_reports_in_three_forms(tmp_path: Path) -> None:
    files = ("--json", str(tmp_path / "report.json"), "--junit", str(tmp_path / "report.xml"))

    broken = _kit("--driver", f"{_BROKEN} retry_after", "--only", "unavailable", *files)

    assert broken.returncode == 1, broken.stderr
    assert "P-9.4" in broken.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    failed = [check for check in report["scenarios"][0]["checks"] if check["findings"]]
    assert [check["paragraph"] for check in failed] == ["P-9.4"]
    failure = ET.parse(tmp_path / "report.xml").find(".//failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("P-9.4: ")


def test_the_command_passes_a_good_sdk_and_names_a_driver_that_is_none() -> None:
    assert _kit("--driver", _DRIVER, "--only", "failing").returncode == 0
    missing = _kit("--driver", "/no/such/driver")
    assert missing.returncode == 2
    assert "/no/such/driver" in missing.stderr


async def test_an_sdk_may_ask_for_its_commands_over_http() -> None:
    from aiohttp import ClientSession

    from tests.spec.python_driver import PythonDriver

    where: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def phone() -> None:
        sdk = PythonDriver()
        url = await where
        async with ClientSession() as http:
            while True:
                async with http.get(f"{url}/driver") as asked:
                    command = await asked.json()
                did = await asyncio.to_thread(sdk.do, command)
                await http.post(f"{url}/driver", json={"id": command["id"], "ok": True, **did})

    asking = asyncio.create_task(phone())
    report = await play(PollingDriver(), [SCENARIOS["failing"]], announce=where.set_result)
    asking.cancel()
    assert report.failed == []
