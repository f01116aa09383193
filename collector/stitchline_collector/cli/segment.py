"""`stitchline segment`: named sets of people, through a running collector."""

from __future__ import annotations

import json
import sys

import click

from .answer import show_rows
from .remote import Remote, asks_a_collector

_FORMATS = {"csv": "CSVWithNames", "jsonl": "JSONEachRow", "parquet": "Parquet"}


@click.group()
def segment() -> None:
    """Ask for named sets of people, as the files of the setting `segments` define them (docs/activation.md)."""


@segment.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@asks_a_collector
def list_(url: str, key: str, *, as_json: bool) -> None:
    """List the segments, with how many people are in each, and how many of them have agreed to its purpose.

    \b
    Example:
      stitchline segment list
    """
    found = Remote(url, key).get("v1", "segments")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    rows = [
        [one["name"], one["people"], one["agreed"], one["consent"], one["about"]] for one in found["segments"]
    ]
    show_rows(["segment", "people", "agreed", "to", ""], rows)


@segment.command()
@click.argument("name")
@click.option("--limit", default=100, show_default=True, help="So many members at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@asks_a_collector
def show(name: str, limit: int, url: str, key: str, *, as_json: bool) -> None:
    """Show a segment's members, who was seen last first.

    \b
    Example:
      stitchline segment show hesitating --limit 20
    """
    found = Remote(url, key).get("v1", "segments", name, limit=limit)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    rows = [
        [
            one["person_id"],
            one["stage"] or "-",
            one["devices"],
            " ".join(one["channels"]),
            one["last_seen"][:19],
            "yes" if one["agreed"] else "no",
        ]
        for one in found["members"]
    ]
    size = found["segment"]
    show_rows(["person_id", "stage", "devices", "channels", "last seen (UTC)", size["consent"]], rows)
    click.echo(f"{len(rows)} of {size['people']} people; {size['agreed']} agreed to {size['consent']}")


@segment.command()
@click.argument("name")
@click.option(
    "--namespaces", default="user", show_default=True, help="Identifiers to write, separated by commas."
)
@click.option("--format", "fmt", type=click.Choice([*_FORMATS]), default="csv", show_default=True)
@asks_a_collector
def export(name: str, namespaces: str, fmt: str, url: str, key: str) -> None:
    """Write a segment's members who have agreed to its purpose, with their identifiers.

    E-mail addresses and phone numbers are keyed hashes here, as everywhere in the database.

    \b
    Example:
      stitchline segment export hesitating --namespaces user,loyalty > hesitating.csv
    """
    asked = {"namespaces": namespaces, "format": _FORMATS[fmt]}
    sys.stdout.buffer.write(Remote(url, key).read(("v1", "segments", name, "export"), asked))
    sys.stdout.buffer.flush()
