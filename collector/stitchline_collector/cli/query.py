"""`stitchline query`: the analysts' views by name, through a running collector."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from . import changes
from .answer import show
from .remote import Remote, asks_a_collector


@click.command()
@click.argument("name", required=False)
@click.option(
    "--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; a list as a,b,c."
)
@click.option(
    "--format", "fmt", help="Any of ClickHouse's output formats, as it comes: CSVWithNames, Parquet, ..."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the same as --format JSON.")
@click.option("--as-of", "as_of", metavar="MOMENT", help="With the persons and events that were known then.")
@click.option("--diff", is_flag=True, help="With --as-of: what is different now, then and now in each cell.")
@asks_a_collector
def query(
    name: str | None,
    params: Sequence[str],
    fmt: str | None,
    as_of: str | None,
    url: str,
    key: str,
    *,
    as_json: bool,
    diff: bool,
) -> None:
    """Answer one of the questions about journeys; without NAME, list them with their parameters.

    Each is a view too: `SELECT * FROM funnel(...)`, see docs/analysts.md.

    \b
    Examples:
      stitchline query
      stitchline query funnel --param by=event --param steps=product_viewed,order_completed
      stitchline query funnel --param stitched=0 --format CSVWithNames > by_device.csv
      stitchline query handovers --as-of 2026-11-01 --diff
    """
    if diff and (not as_of or fmt):
        raise click.UsageError(
            "--diff needs --as-of, a moment to compare with now, and prints a table or --json"
        )
    remote = Remote(url, key)
    if name is None:
        if params or fmt or as_of:
            raise click.UsageError(
                "--param, --format and --as-of belong to a NAME; without one the questions are listed"
            )
        listed = remote.get("v1", "queries")
        click.echo(json.dumps(listed, ensure_ascii=False)) if as_json else _list(listed["queries"])
        return
    given = dict(_pair(param) for param in params)
    path, past = ("v1", "queries", name), {"as_of": as_of} if as_of else {}
    if diff:
        compact = given | {"format": "JSONCompact"}
        then, now = (json.loads(remote.read(path, compact | one)) for one in (past, {}))
        found = changes.between(then, now)
        if as_json:
            click.echo(json.dumps(found, ensure_ascii=False))
            return
        if found["changes"]:
            show(changes.in_words(found))
        click.echo(f"{found['same']:,} rows are as they were")
        return
    chosen = fmt or ("JSON" if as_json else "")
    answer = remote.read(path, given | past | {"format": chosen or "JSONCompact"})
    if chosen:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
        return
    found = json.loads(answer)
    show(found, next((column["name"] for column in found["meta"] if column["type"] == "UInt64"), ""))


def _pair(param: str) -> tuple[str, str]:
    name, equals, value = param.partition("=")
    if not equals or not name or name in ("format", "as_of"):
        raise click.UsageError(f"--param {param!r}: write it as NAME=VALUE, as in --param stitched=0")
    return name, value


def _list(queries: Sequence[Mapping[str, Any]]) -> None:
    console = Console()
    for one in queries:
        console.print(Text(one["name"], style="bold"), Text(one["about"]))
        for parameter in one["parameters"]:
            default = parameter["default"] or "empty"
            console.print(
                Text(f"    {parameter['name']} = {default}", style="dim"),
                Text(parameter["type"], style="dim"),
            )
