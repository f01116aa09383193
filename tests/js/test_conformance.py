"""The SDK passes the conformance kit, as Node and as Chromium run it; each scenario is played by at least one of them."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path

import pytest

from stitchline_collector.conformance import SCENARIOS, ProcessDriver, ScenarioResult, play
from stitchline_collector.conformance.checks import RULES
from tests.chromium import ChromiumMissing, chromium, node

ROOT = Path(__file__).parents[2]
NODE = shlex.join([node(), str(ROOT / "sdk/js/test/driver.mjs")])
CHROMIUM = f"env PYTHONPATH={ROOT} {sys.executable} -m tests.js.browser_driver"
# A process of Node keeps nothing on disk and shares nothing with another; a page that has a disk uses it.
NODE_CANNOT = {"wrong_key_kept": "disk", "kill_and_restart": "disk", "two": "two", "two_killed": "disk, two"}
CHROMIUM_CANNOT = {"wrong_key": "memory"}

Results = dict[str, ScenarioResult]


def _played(command: str, at_a_time: int) -> Results:
    """Play all scenarios; they mostly wait, so some run at a time where a driver is light."""
    scenarios = list(SCENARIOS.values())

    async def all_of_them() -> Results:
        parts = [scenarios[start::at_a_time] for start in range(at_a_time)]
        reports = await asyncio.gather(*(play(ProcessDriver(command), part) for part in parts))
        return {result.name: result for report in reports for result in report.scenarios}

    return asyncio.run(all_of_them())


@pytest.fixture(scope="module")
def in_node(built: Path) -> Results:
    assert (built / "dist" / "node.js").is_file()
    return _played(NODE, 3)


@pytest.fixture(scope="module")
def in_chromium(built: Path) -> Results:
    assert (built / "dist" / "browser.js").is_file()
    try:
        chromium()
    except ChromiumMissing as missing:
        pytest.skip(str(missing))
    return _played(CHROMIUM, 2)


def test_each_scenario_is_played_by_one_of_the_two() -> None:
    assert not set(NODE_CANNOT) & set(CHROMIUM_CANNOT)


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_conforms_in_node(name: str, in_node: Results) -> None:
    _conforms(in_node[name], NODE_CANNOT)


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_conforms_in_chromium(name: str, in_chromium: Results) -> None:
    _conforms(in_chromium[name], CHROMIUM_CANNOT)


def _conforms(result: ScenarioResult, cannot: dict[str, str]) -> None:
    """Nothing was found; what was skipped is what that platform cannot do."""
    assert {check: found for check, found in result.findings.items() if found} == {}
    missing = cannot.get(result.name)
    assert result.skipped == (f"cannot {missing}" if missing else "")
    assert missing or set(result.findings) == {*RULES, *SCENARIOS[result.name].checks}
