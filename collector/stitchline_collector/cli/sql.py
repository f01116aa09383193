"""`stitchline sql`: ask ClickHouse through a running collector."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .remote import Remote, asks_a_collector

_MOST_ROWS = 1000  # a table of more is read by nobody, and drawn slowly


@click.command()
@click.argument("statement")
@click.option(
    "--format", "fmt", help="Any of ClickHouse's output formats, as it comes: CSVWithNames, Parquet, ..."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the same as --format JSON.")
@asks_a_collector
def sql(statement: str, fmt: str | None, url: str, key: str, *, as_json: bool) -> None:
    """Run one SELECT and print its rows; `-` reads it from standard input.

    \b
    Examples:
      stitchline sql 'SELECT channel, count() FROM person_events GROUP BY channel'
      stitchline sql - --format Parquet < query.sql > answer.parquet
    """
    if statement == "-":
        statement = sys.stdin.read()
    remote = Remote(url, key)
    chosen = fmt or ("JSON" if as_json else "")
    answer = remote.post("v1/sql", statement.encode(), {"format": chosen or "JSONCompact"})
    if chosen:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
    else:
        _print(json.loads(answer))


def _print(answer: dict[str, Any]) -> None:
    console = Console()
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    for column in answer["meta"]:
        is_number = column["type"].startswith(("UInt", "Int", "Float", "Decimal"))
        table.add_column(Text(column["name"]), justify="right" if is_number else "left", overflow="fold")
    for row in answer["data"][:_MOST_ROWS]:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)
    hidden = len(answer["data"]) - _MOST_ROWS
    note = f"; {hidden:,} more: --format CSVWithNames prints all" if hidden > 0 else ""
    spent = answer.get("statistics", {}).get("elapsed", 0.0)
    console.print(
        Text(
            f"{len(answer['data']):,} {'row' if len(answer['data']) == 1 else 'rows'} in {spent:.3f} s{note}",
            style="dim",
        )
    )


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
