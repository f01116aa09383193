"""How far an import is, on a terminal as a bar, elsewhere as a line now and then.

Nothing is shown of a run that ends within the first interval.
"""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..history import Progress as Told
from ..history import State

BAR_EVERY_S = 0.2
LINE_EVERY_S = 5.0


class Shown:
    """Shows what an importer tells.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = self._shown_at = time.monotonic()
        self._every_s = BAR_EVERY_S if console.is_terminal else LINE_EVERY_S
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=console,
            auto_refresh=False,  # its thread would compete for the interpreter
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, numbers="")
        self._described = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def tell(self, told: Told) -> None:
        """Show it, unless something was shown a moment ago."""
        now = time.monotonic()
        if now - self._shown_at < self._every_s:
            return
        self._shown_at = now
        if self._console.is_terminal:
            self._show_bar(told, now - self._began)
        else:
            self._console.print(_line(told, now - self._began), markup=False, highlight=False, soft_wrap=True)

    def _show_bar(self, told: Told, seconds: float) -> None:
        description = _what(told)
        if description != self._described:
            self._described = description
            self._bar.reset(self._task, description=description)
        total = told.size or None
        completed = told.done if total else 0
        numbers = _numbers(told, seconds)
        self._bar.update(self._task, total=total, completed=completed, numbers=numbers, refresh=True)


def _what(told: Told) -> str:
    return told.file if told.state is State.READING else f"{told.file} {told.state.value}".strip()


def _numbers(told: Told, seconds: float) -> str:
    tally = told.tally
    parts = [f"{tally.events:,} events"]
    if told.state is not State.LOADING:
        parts += [
            f"{tally.events / seconds:,.0f}/s",
            f"{tally.inflated_bytes / seconds / 1e6:.0f} MB/s",
            f"{tally.rejected:,} rejected",
        ]
    if told.state is not State.READING:
        parts.append(f"{told.waiting_rows:,} rows to load")
    return "  ".join([*parts, told.fault]).rstrip()


def _line(told: Told, seconds: float) -> str:
    part = f" {told.done / told.size:.0%}" if told.size else ""
    return f"{_what(told)}{part}: {_numbers(told, seconds)}"
