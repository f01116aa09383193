"""`stitchline conformance`: hold an SDK against the protocol."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
from rich.console import Console

from ..conformance import (
    CHECKS,
    SCENARIOS,
    DriverGone,
    PollingDriver,
    ProcessDriver,
    ScenarioResult,
    as_json,
    as_junit,
    play,
    table,
)
from ..conformance.checks import RULES


@click.group()
def conformance() -> None:
    """Hold an SDK, on any platform, against the protocol."""


@conformance.command()
@click.option(
    "--driver",
    "command",
    metavar="COMMAND",
    help="Program that drives the SDK; without it, commands are handed out at /driver.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(SCENARIOS)),
    metavar="NAME",
    help="Play this scenario; may be repeated.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8766, show_default=True, help="Port to listen on; 0 for a free one.")
@click.option(
    "--patience",
    "patience_s",
    default=20.0,
    show_default=True,
    help="Seconds to wait at most for something that must happen.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report as JSON, too.",
)
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report as JUnit XML, too.",
)
@click.option("--list", "is_list", is_flag=True, help="Name the scenarios and their checks, and end.")
def serve(
    command: str | None,
    only: tuple[str, ...],
    host: str,
    port: int,
    patience_s: float,
    json_file: Path | None,
    junit_file: Path | None,
    is_list: bool,  # noqa: FBT001 -- click passes flags so
) -> None:
    """Play a collector that follows a script, and say what an SDK does wrong.

    The SDK is driven by a small program; sdk/spec/conformance.md says how. Exit status 1: a check failed; 2: the driver cannot be used.

    \b
    Example:
      stitchline conformance serve --driver "node driver.js" --junit report.xml
    """
    console = Console()
    if is_list:
        _list(console)
        return
    errors = Console(stderr=True)

    def announce(url: str) -> None:
        errors.print(f"the scripted collector listens on {url}", highlight=False)
        if command is None:
            errors.print(f"waiting for an SDK to ask for its commands: GET {url}/driver", highlight=False)

    def told(result: ScenarioResult) -> None:
        errors.print(
            f"{result.name}: {'skipped' if result.skipped else 'FAILED' if result.failed else 'passed'}"
        )

    driver = PollingDriver() if command is None else ProcessDriver(command)
    chosen = [SCENARIOS[name] for name in only or SCENARIOS]
    try:
        report = asyncio.run(
            play(driver, chosen, host=host, port=port, patience_s=patience_s, announce=announce, told=told)
        )
    except (DriverGone, OSError) as error:
        errors.print(f"Error: {error}", highlight=False)
        sys.exit(2)
    if json_file is not None:
        json_file.write_bytes(as_json(report))
    if junit_file is not None:
        junit_file.write_bytes(as_junit(report))
    console.print(table(report))
    sys.exit(1 if report.failed else 0)


def _list(console: Console) -> None:
    console.print(f"always: {', '.join(RULES)}")
    for scenario in SCENARIOS.values():
        needs = f" (needs {', '.join(sorted(scenario.needs))})" if scenario.needs else ""
        console.print(f"{scenario.name}: {scenario.about}{needs}", highlight=False)
        for name in scenario.checks:
            console.print(f"    {CHECKS[name].paragraph} {CHECKS[name].demand}", highlight=False)
