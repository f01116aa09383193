"""`stitchline erase`: everything about one person, gone."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .remote import Remote, asks_as_admin, identifier


@click.command()
@click.argument("who", metavar="IDENTIFIER", callback=identifier)
@click.option(
    "--forget-suppression",
    is_flag=True,
    help="Erase nothing; let whoever was erased by this identifier come back.",
)
@click.option("--yes", is_flag=True, help="Do not ask whether you are sure.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as one JSON object; does not ask.")
@asks_as_admin
def erase(
    who: tuple[str, str], url: str, key: str, *, forget_suppression: bool, yes: bool, as_json: bool
) -> None:
    """Erase the person an identifier belongs to; needs a key of kind admin.

    Their events, identifiers and devices go from the tables, the spool and the outbox, for good. A shared device stays, without
    what they did on it. What arrives of them later is dropped, until --forget-suppression. To do it twice does no harm.

    \b
    Example:
      stitchline erase user:42
      stitchline erase --forget-suppression user:42
    """
    remote = Remote(url, key)
    if forget_suppression:
        forgotten = remote.delete("v1", "suppressions", *who)["forgotten"]
        said = f"{forgotten} identifiers, devices and sessions are taken again"
        click.echo(json.dumps({"forgotten": forgotten}) if as_json else said)
        return
    if not (yes or as_json):
        click.confirm(f"Erase everything about {':'.join(who)}, for good?", abort=True)
    receipt = remote.delete("v1", "people", *who)
    left = sum(place["left"] for place in receipt["places"])
    if not any(place["found"] or place["left"] for place in receipt["places"]):
        click.echo(f"nobody was known as {':'.join(who)}: nothing was found", err=True)
    if as_json:
        click.echo(json.dumps(receipt, ensure_ascii=False))
    else:
        _show(receipt, left)
    if left:
        raise SystemExit(1)


def _show(receipt: dict[str, Any], left: int) -> None:
    console = Console()
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    table.add_column("place")
    table.add_column("found", justify="right")
    table.add_column("left", justify="right")
    table.add_column("what it is", overflow="fold")
    for place in receipt["places"]:
        style = "" if place["found"] or place["left"] else "dim"
        cells = (place["place"], f"{place['found']:,}", f"{place['left']:,}", place["why"])
        table.add_row(*(Text(cell, style=style) for cell in cells))
    console.print(table)
    found = sum(place["found"] for place in receipt["places"])
    shared = receipt["shared"]
    click.echo(
        f"erasure {receipt['erasure_id']}: {len(receipt['identifiers'])} identifiers, {found:,} rows and files found, {left:,} left"
    )
    if shared:
        click.echo(
            f"{shared} shared devices or contacts stay: they belong to nobody; what this person did on them is gone"
        )
    click.echo(
        "what arrives of this person is dropped from now on; the questions that prove the zeros: --json"
    )
