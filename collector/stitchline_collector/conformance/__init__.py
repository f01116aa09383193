"""The conformance kit: a collector that follows a script, and says what an SDK that is pointed at it does wrong.

Enters: a driver, which makes an SDK do what it is told (`sdk/spec/conformance.md`). Leaves: for each check of each scenario what was
found, with the paragraph of `sdk/spec/protocol.md`. Guaranteed: a scenario ends within its patience, whatever the SDK does.
"""

from __future__ import annotations

from .checks import CHECKS, Check
from .drivers import Driver, DriverGone, PollingDriver, ProcessDriver
from .play import Report, ScenarioResult, play
from .report import as_json, as_junit, table
from .scenarios import SCENARIOS

__all__ = [
    "CHECKS",
    "SCENARIOS",
    "Check",
    "Driver",
    "DriverGone",
    "PollingDriver",
    "ProcessDriver",
    "Report",
    "ScenarioResult",
    "as_json",
    "as_junit",
    "play",
    "table",
]
