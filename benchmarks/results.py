"""What a benchmark found: printed as tables of at most 80 columns, kept as JSON.

In: a `Finding`. Out: `results/NAME.json`, with machine, versions, date and every round. Guaranteed: a quick run never replaces a
whole one; it goes to `results/quick/`.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).parent / "results"
WIDTH = 80
_PACKAGES = (
    "stitchline aiohttp msgspec uvloop clickhouse-connect chdb backports.zstd segment-analytics-python snowplow-tracker posthog"
).split()


class Table(msgspec.Struct):
    """Figures as they are printed; the first column is text, the others are numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


class Target(msgspec.Struct):
    """A figure that was wanted, and the one that was measured."""

    what: str
    wanted: str
    measured: str
    met: bool


class Finding(msgspec.Struct):
    """What one benchmark found.

    Attributes:
        parameters: what was asked for: rates, sizes, rounds.
        rounds: every single measurement, for whoever wants another statistic than the median.
    """

    tables: list[Table]
    targets: list[Target]
    parameters: dict[str, Any]
    rounds: list[Any]


class Run(msgspec.Struct, frozen=True):
    """How a benchmark is to run.

    Attributes:
        folder: an empty folder on a real disk, deleted afterwards.
        quick: a try-out; its figures mean little.
        rounds: how often each contender is measured; None is the benchmark's own choice.
        say: tells the reader how far it is.
    """

    folder: Path
    quick: bool
    rounds: int | None
    say: Callable[[str], None]

    def times(self, usual: int, quick: int = 1) -> int:
        """How many rounds."""
        return self.rounds or (quick if self.quick else usual)


class Result(msgspec.Struct):
    """A finding and where it was found."""

    name: str
    measured_at: str
    machine: dict[str, str]
    versions: dict[str, str]
    load_average: list[float]
    finding: Finding


def result(name: str, finding: Finding, load_average: float) -> Result:
    """Put a finding together with its surroundings.

    Args:
        name: of the benchmark.
        finding: what it found.
        load_average: of the minute before it began: what else the machine was doing.
    """
    measured_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    averages = [round(load_average, 2), round(os.getloadavg()[0], 2)]
    return Result(name, measured_at, machine(), versions(), averages, finding)


def write(found: Result, *, quick: bool) -> Path:
    """Keep it as JSON; returns the file."""
    folder = FOLDER / "quick" if quick else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    return path


def read(name: str) -> Result | None:
    """The kept result of a whole run, None when there is none."""
    path = FOLDER / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=Result) if path.exists() else None


def show(found: Result) -> str:
    """The tables and targets as text, at most 80 columns wide."""
    parts = [as_text(table) for table in found.finding.tables]
    if found.finding.targets:
        rows = [
            [one.what, one.wanted, one.measured, "yes" if one.met else "NO"] for one in found.finding.targets
        ]
        parts.append(as_text(Table("Targets", ["", "wanted", "measured", "met"], rows)))
    return "\n".join(parts)


def as_text(table: Table) -> str:
    """A table for a terminal."""
    lines = [table.columns, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    texts = ["  ".join(_cells(line, widths)).rstrip() for line in lines]
    texts.insert(1, "  ".join("-" * width for width in widths))
    too_wide = [text for text in texts if len(text) > WIDTH]
    if too_wide:
        raise ValueError(f"wider than {WIDTH} columns: {too_wide[0]!r}")
    return "\n".join(["", *_wrapped(table.title), *texts, *_wrapped(table.note), ""])


def as_markdown(table: Table) -> str:
    """A table for the documentation."""
    rules = ["---", *["---:"] * (len(table.columns) - 1)]
    lines = ["| " + " | ".join(line) + " |" for line in [table.columns, rules, *table.rows]]
    return "\n".join([f"**{table.title}**", "", *lines, *(["", table.note] if table.note else []), ""])


def machine() -> dict[str, str]:
    """What it was measured on."""
    information = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in information if line.startswith("model name")]
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory_gb:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """The packages that matter, those that are installed."""
    installed = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    return {name: installed[name] for name in _PACKAGES if name in installed}


def median(values: Iterable[float]) -> float:
    """The median, 0 of nothing."""
    found = list(values)
    return statistics.median(found) if found else 0.0


def percentile(values: Iterable[float], percent: int) -> float:
    """A percentile by nearest rank, 0 of nothing."""
    found = sorted(values)
    return found[min(len(found) - 1, len(found) * percent // 100)] if found else 0.0


def _cells(line: list[str], widths: list[int]) -> list[str]:
    return [
        line[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
    ]


def _wrapped(text: str) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line] if line else []
