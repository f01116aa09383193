"""`stitchline failed`: look at rejected events, and send them again after the cause is mended."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .remote import Remote, asks_a_collector, asks_as_admin

_COLUMNS = ("received", "source", "path", "reason", "replayed")
_LATEST = """
SELECT failure_id, received_at, source, kind, event_id, reason, path, raw, replayed_at FROM failed_events
{where} ORDER BY received_at DESC, failure_id DESC LIMIT {limit}
"""

_reason = click.option(
    "--reason", default="", metavar="TEXT", help="Only those whose reason holds this text."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def failed() -> None:
    """List and replay rejected events.

    \b
    Examples:
      stitchline failed list --reason 'unknown field'
      stitchline failed replay --reason 'unknown field'
    """


@failed.command("list")
@_reason
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="At most so many."
)
@_json
@asks_a_collector
def list_failed(reason: str, limit: int, url: str, key: str, *, as_json: bool) -> None:
    """Show the latest rejected events and why they were rejected.

    \b
    Example:
      stitchline failed list --limit 5 --json
    """
    where = f"WHERE position(reason, {_quoted(reason)}) > 0" if reason else ""
    statement = _LATEST.format(where=where, limit=limit)
    rows = json.loads(Remote(url, key).post("v1/sql", statement.encode(), {"format": "JSON"}))["data"]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        _print(rows)


@failed.command()
@_reason
@click.option(
    "--limit",
    default=10_000,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="At most so many, oldest first.",
)
@_json
@asks_as_admin
def replay(reason: str, limit: int, url: str, key: str, *, as_json: bool) -> None:
    """Send rejected events through the collector again; needs a key of kind admin.

    An event keeps its id and its time of arrival, so replaying it twice stores it once. What is rejected again stays listed.

    \b
    Example:
      stitchline failed replay --reason 'unknown field'
    """
    query = {"reason": reason, "limit": str(limit)}
    done = json.loads(Remote(url, key).post("v1/failed/replay", b"", query))
    if as_json:
        click.echo(json.dumps(done))
        return
    click.echo(f"{done['replayed']:,} replayed, {done['still_failing']:,} still failing")
    if done["still_failing"]:
        click.echo("see why: stitchline failed list" + (f" --reason {reason!r}" if reason else ""))


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _print(rows: list[dict[str, Any]]) -> None:
    console = Console()
    if not rows:
        console.print("no rejected events")
        return
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, overflow="fold")
    for row in rows:
        at, replayed = row["received_at"][:19], (row["replayed_at"] or "")[:19]
        table.add_row(*map(Text, (at, row["source"], row["path"], row["reason"], replayed)))
    console.print(table)
