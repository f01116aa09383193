"""`stitchline sql`: ask ClickHouse through a running collector."""

from __future__ import annotations

import json
import sys

import click

from .answer import show
from .remote import Remote, asks_a_collector


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
        show(json.loads(answer))
