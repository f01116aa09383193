"""`stitchline journey`: one person's way across devices and channels."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .difference import compare
from .remote import Remote, asks_a_collector, identifier
from .stages import chart

_WIDEST = 120
_MOST_DEVICES = 8


@click.command()
@click.argument("who", metavar="IDENTIFIER", callback=identifier)
@click.option("--events", default=50, show_default=True, help="How many of the latest events to print.")
@click.option(
    "--as-of",
    "as_of",
    metavar="MOMENT",
    help="As we thought at a past moment: 2026-11-01, or 2026-11-01T12:00:00Z; UTC without a zone.",
)
@click.option("--diff", is_flag=True, help="With --as-of: the events that are another's now, or were then.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the person and the events.")
@asks_a_collector
def journey(
    who: tuple[str, str], events: int, as_of: str | None, url: str, key: str, *, diff: bool, as_json: bool
) -> None:
    """Print one person's way across devices and channels.

    IDENTIFIER is namespace:value; any identifier of the person will do, and person:ID with an id from a view.

    \b
    Examples:
      stitchline journey user:42
      stitchline journey email:ada@example.com --events 200
      stitchline journey user:42 --as-of 2026-11-01 --diff
    """
    if diff and not as_of:
        raise click.UsageError("--diff needs --as-of: a moment to compare with now")
    answer = Remote(url, key).get("v1", "journey", *who, events=events, as_of=as_of, diff=1 if diff else None)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    console = Console()
    width = min(console.width, _WIDEST)
    asked = ":".join(who)
    if diff:
        console.print(compare(answer, asked, as_of or ""), width=width)
    else:
        console.print(render(answer, f"{asked}, as of {as_of}" if as_of else asked, width), width=width)


def render(answer: dict[str, Any], asked: str, width: int) -> RenderableType:
    """Draw the answer of `/v1/journey`.

    Args:
        answer: with `person` and `events`.
        asked: the identifier that was asked for.
        width: columns to fit into.
    """
    person, events = answer["person"], answer["events"]
    parts: list[RenderableType] = [_header(person, asked)]
    stages = chart(events, width)
    if stages:
        parts += [Text(), *stages]
    parts += [Text(), _table(events)]
    earlier = person["events"] - len(events)
    if earlier > 0:
        parts.append(Text(f"{earlier:,} earlier events: --events {person['events']} prints all", style="dim"))
    return Group(*parts)


def _header(person: dict[str, Any], asked: str) -> Panel:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("stage", Text(person["stage"] or "-", style="bold magenta"))
    facts.add_row("known as", Text("  ").join(_name(known) for known in person["identifiers"]) or Text("-"))
    devices = person["devices"][:_MOST_DEVICES]
    for index, device in enumerate(devices):
        facts.add_row("devices" if index == 0 else "", _device_line(device))
    if len(person["devices"]) > len(devices):
        facts.add_row("", Text(f"and {len(person['devices']) - len(devices)} more", style="dim"))
    seen = f"{_moment(person['first_seen'], '%d %b %Y %H:%M')} to {_moment(person['last_seen'], '%d %b %Y %H:%M')}"
    facts.add_row("seen", Text(f"{seen} UTC, {person['events']:,} events"))
    title = Text.assemble(("  ", ""), (asked, "bold"), (f"  person {person['person_id']}  ", "dim"))
    return Panel(facts, title=title, title_align="left", border_style="dim")


def _name(known: dict[str, Any]) -> Text:
    return Text.assemble((f"{known['namespace']}:", "dim"), (_short(known["value"], 20), "green"))


def _device_line(device: dict[str, Any]) -> Text:
    return Text.assemble(
        (f"{device['type'] or 'device'} ", "bold"),
        _short(device["id"]),
        (f"  {', '.join(device['channels']) or '-'}, {device['events']:,} events", "dim"),
    )


def _table(events: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False, expand=True)
    table.add_column("UTC", no_wrap=True, style="dim", width=8)
    table.add_column("device", no_wrap=True, max_width=16)
    table.add_column("channel", no_wrap=True, max_width=11, style="cyan")
    table.add_column("stage", no_wrap=True, max_width=13, style="magenta")
    table.add_column("event", overflow="ellipsis", no_wrap=True, ratio=1, min_width=12)
    table.add_column("found by", no_wrap=True, max_width=9, style="green")
    day = ""
    for event in events:
        today = _moment(event["occurred_at"], "%d %b")
        if today != day:
            table.add_row(Text(today, style="bold"))
            day = today
        device = f"{event['device']['type']} {_end(event['device']['id'])}".strip()
        name = event["name"] or event["type"]
        found_by = _found_by(event)
        at = _moment(event["occurred_at"], "%H:%M:%S")
        table.add_row(
            *(Text(cell) for cell in (at, device, event["channel"], event["stage"], name, found_by))
        )
    return table


def _found_by(event: dict[str, Any]) -> str:
    """Say what tells that an event is theirs: the kind of identifier in it, its session, or its device."""
    if event["found_by"] == "identifier":
        return str(event["decided_by"]).partition(":")[0]
    return str(event["found_by"])


def _short(value: str, most: int = 36) -> str:
    return value if len(value) <= most else f"{value[: most - 1]}…"


def _end(value: str) -> str:
    """Shorten an id to its end: UUIDs of one moment begin alike."""
    return value if len(value) <= 8 else f"…{value[-4:]}"


def _moment(iso: str, fmt: str) -> str:
    return dt.datetime.fromisoformat(iso).strftime(fmt)
