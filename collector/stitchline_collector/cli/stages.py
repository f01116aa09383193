"""A small chart of one journey: stages downwards, time to the right, a letter for each channel.

Enters: events in the order in which they happened. Leaves: lines of text that fit a width. A pure function, so that it can
be looked at in a test.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from rich.text import Text

_STEP = 3  # columns from one point to the next: the letter, a line, a corner
_LABEL = 16
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red", "bright_cyan", "bright_magenta")
_NO_STAGE = "-"


class Point(NamedTuple):
    """One or more events in a row, on one day, in one stage, on one channel."""

    stage: str
    channel: str
    day: str


def chart(events: Sequence[dict[str, Any]], width: int = 80) -> list[Text]:
    """Draw how a person went from stage to stage.

    Args:
        events: with `stage`, `channel` and `occurred_at`, the earliest first.
        width: columns to fit into.

    Returns:
        Lines: one for each stage, and the letters of the channels; none without a stage.
    """
    points, shown = _points(events, (width - _LABEL - 4) // _STEP)
    stages = list(dict.fromkeys(point.stage for point in points))
    if stages in ([], [_NO_STAGE]):
        return []
    letters = _letters([point.channel for point in points])
    grid = _grid(points, stages, letters)
    cut = len(events) > shown
    lines = [_row(stage, row, letters, "…" if cut else " ") for stage, row in zip(stages, grid, strict=True)]
    return [*lines, _days(points), Text(), _legend(letters)]


def _points(events: Sequence[dict[str, Any]], most: int) -> tuple[list[Point], int]:
    """Return the last points that fit, and how many events they stand for; an event without a stage stays in the last one."""
    points: list[Point] = []
    counts: list[int] = []
    stage = _NO_STAGE
    for event in events:
        stage = event["stage"] or stage
        day = dt.datetime.fromisoformat(event["occurred_at"]).strftime("%d %b")
        point = Point(stage, event["channel"] or "?", day)
        if points and points[-1] == point:
            counts[-1] += 1
        else:
            points.append(point)
            counts.append(1)
    return points[-most:], sum(counts[-most:])


def _letters(channels: list[str]) -> dict[str, str]:
    """Give each channel a letter of its name that no other has, else a digit."""
    letters: dict[str, str] = {}
    for channel in dict.fromkeys(channels):
        free = (
            letter
            for letter in f"{channel}0123456789"
            if letter.isalnum() and letter.upper() not in letters.values()
        )
        letters[channel] = next(free, "*").upper()
    return letters


def _grid(points: list[Point], stages: list[str], letters: dict[str, str]) -> list[list[str]]:
    grid = [[" "] * (len(points) * _STEP) for _ in stages]
    rows = [stages.index(point.stage) for point in points]
    for index, (row, point) in enumerate(zip(rows, points, strict=True)):
        grid[row][index * _STEP] = letters[point.channel]
    for index, (row, following) in enumerate(pairwise(rows)):
        line, corner = index * _STEP + 1, index * _STEP + 2
        grid[row][line] = "─"
        grid[row][corner] = "─" if row == following else "┐" if following > row else "┘"
        for between in range(min(row, following) + 1, max(row, following)):
            grid[between][corner] = "│"
        if row != following:
            grid[following][corner] = "└" if following > row else "┌"
    return grid


def _row(stage: str, cells: list[str], letters: dict[str, str], before: str) -> Text:
    label = stage if len(stage) < _LABEL - 1 else f"{stage[: _LABEL - 3]}…"
    line = Text(f"{label:<{_LABEL - 2}}", style="bold").append(f"{before} ", style="dim")
    colours = _colours(letters)
    for cell in cells:
        line.append(cell, style=colours.get(cell, "dim"))
    line.rstrip()
    return line


def _days(points: list[Point]) -> Text:
    """Name each new day under its first point, where there is room."""
    line = Text(" " * _LABEL, style="dim")
    for index, point in enumerate(points):
        begins = _LABEL + index * _STEP
        is_new = index == 0 or points[index - 1].day != point.day
        if is_new and (index == 0 or begins > len(line)):
            line.append(" " * (begins - len(line))).append(point.day)
    return line


def _legend(letters: dict[str, str]) -> Text:
    line = Text(" " * _LABEL)
    colours = _colours(letters)
    for channel, letter in letters.items():
        line.append(letter, style=colours[letter]).append(f" {channel}   ", style="dim")
    line.rstrip()
    return line


def _colours(letters: dict[str, str]) -> dict[str, str]:
    return {
        letter: f"bold {_COLOURS[index % len(_COLOURS)]}"
        for index, letter in enumerate(dict.fromkeys(letters.values()))
    }
