"""An answer of ClickHouse's as a table on the terminal, with bars where a number is worth a look.

Enters: JSONCompact. Leaves: printed lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_MOST_ROWS = 1000  # a table of more is read by nobody, and drawn slowly
_BAR = 24  # columns, at most
_NARROWEST_BAR = 6
_ANY_WIDTH = 10_000
_EIGHTHS = " ▏▎▍▌▋▊▉"


def show(answer: Mapping[str, Any], bar: str = "") -> None:
    """Print rows, and how many and how long it took; turned where the columns' names do not fit side by side.

    Args:
        answer: parsed JSONCompact.
        bar: a column of numbers to draw beside the rows, where there is room; none if empty.
    """
    console = Console()
    shown = answer["data"][:_MOST_ROWS]
    table = _table(answer["meta"], shown, [])
    room = (
        console.width - console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum - 3
    )
    if bar and room >= _NARROWEST_BAR:
        place = [column["name"] for column in answer["meta"]].index(bar)
        table = _table(answer["meta"], shown, drawn([float(row[place]) for row in shown], min(room, _BAR)))
    names_width = sum(len(column["name"]) + 3 for column in answer["meta"])
    if names_width > console.width:  # they would be cut to pieces
        for rows in _side_by_side(answer["meta"], shown, console.width):
            console.print(_turned(answer["meta"], rows))
            console.print()
    else:
        console.print(table)
    hidden = len(answer["data"]) - _MOST_ROWS
    note = f"; {hidden:,} more: --format CSVWithNames prints all" if hidden > 0 else ""
    spent = answer.get("statistics", {}).get("elapsed", 0.0)
    count = len(answer["data"])
    console.print(Text(f"{count:,} {'row' if count == 1 else 'rows'} in {spent:.3f} s{note}", style="dim"))


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a table; long texts are folded."""
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    Console().print(table)


def _table(meta: Sequence[Mapping[str, str]], rows: Sequence[Sequence[object]], bars: Sequence[str]) -> Table:
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    for column in meta:
        is_number = column["type"].removeprefix("Nullable(").startswith(("UInt", "Int", "Float", "Decimal"))
        table.add_column(Text(column["name"]), justify="right" if is_number else "left", overflow="fold")
    if bars:
        table.add_column(Text(""), no_wrap=True)
    for place, row in enumerate(rows):
        table.add_row(
            *(Text(_cell(value)) for value in row),
            *(Text(bar, style="cyan") for bar in bars[place : place + 1]),
        )
    return table


def _side_by_side(
    meta: Sequence[Mapping[str, str]], rows: Sequence[Sequence[object]], width: int
) -> Iterator[list[Sequence[object]]]:
    """The rows in groups that fit beside the columns' names."""
    names = max(len(column["name"]) for column in meta)
    group: list[Sequence[object]] = []
    room = width - names
    for row in rows:
        needed = max(len(_cell(value)) for value in row) + 2
        if group and needed > room:
            yield group
            group, room = [], width - names
        group.append(row)
        room -= needed
    if group:
        yield group


def _turned(meta: Sequence[Mapping[str, str]], rows: Sequence[Sequence[object]]) -> Table:
    """The rows as columns, beside the columns' names."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    for _ in rows:
        table.add_column(overflow="fold")
    for place, column in enumerate(meta):
        table.add_row(Text(column["name"]), *(Text(_cell(row[place])) for row in rows))
    return table


def drawn(numbers: Sequence[float], width: int = 24) -> list[str]:
    """Return a bar for each number, the largest as wide as may be; none for what is not above zero."""
    largest = max(numbers, default=0.0)
    bars = []
    for number in numbers:
        eighths = round(number / largest * width * 8) if largest > 0 and number > 0 else 0
        bars.append(("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip())
    return bars


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        value = round(value, 4) if abs(value) >= 0.001 else value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
