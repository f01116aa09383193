"""`stitchline query`: the analysts' views by name, through a running collector."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.text import Text

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
@asks_a_collector
def query(
    name: str | None, params: Sequence[str], fmt: str | None, url: str, key: str, *, as_json: bool
) -> None:
    """Answer one of the questions about journeys; without NAME, list them with their parameters.

    Each is a view too: `SELECT * FROM funnel(...)`, see docs/analysts.md.

    \b
    Examples:
      stitchline query
      stitchline query funnel --param by=event --param steps=product_viewed,order_completed
      stitchline query funnel --param stitched=0 --format CSVWithNames > by_device.csv
    """
    remote = Remote(url, key)
    if name is None:
        if params or fmt:
            raise click.UsageError(
                "--param and --format belong to a NAME; without one the questions are listed"
            )
        listed = remote.get("v1", "queries")
        click.echo(json.dumps(listed, ensure_ascii=False)) if as_json else _list(listed["queries"])
        return
    given = dict(_pair(param) for param in params)
    chosen = fmt or ("JSON" if as_json else "")
    answer = remote.read(("v1", "queries", name), given | {"format": chosen or "JSONCompact"})
    if chosen:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
        return
    found = json.loads(answer)
    show(found, next((column["name"] for column in found["meta"] if column["type"] == "UInt64"), ""))


def _pair(param: str) -> tuple[str, str]:
    name, equals, value = param.partition("=")
    if not equals or not name or name == "format":
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
