"""`stitchline why`: why two identifiers are one person, or what stands between them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.text import Text

from .remote import Remote, asks_a_collector, identifier

_WIDEST = 100


@click.command()
@click.argument("a", callback=identifier)
@click.argument("b", callback=identifier)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the answer and its steps.")
@asks_a_collector
def why(a: tuple[str, str], b: tuple[str, str], url: str, key: str, *, as_json: bool) -> None:
    """Tell why A and B are one person, or what stands between them.

    A and B are namespace:value. Where both are one person, the shortest way from one to the other through what was seen is
    printed. Where they are not, the way with the fewest refusals is, and why each was refused.

    \b
    Examples:
      stitchline why user:42 device:web-1
      stitchline why email:ada@example.com user:42 --json
    """
    answer = Remote(url, key).get("v1", "identity", "why", a=":".join(a), b=":".join(b))
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    console = Console()
    console.print(render(answer), width=min(console.width, _WIDEST))


def render(answer: dict[str, Any]) -> RenderableType:
    """Draw the answer of `/v1/identity/why`."""
    style = "bold green" if answer["one_person"] else "bold yellow"
    parts: list[RenderableType] = [Text(answer["told"], style=style)]
    steps = answer["steps"]
    if steps:
        parts += [Text(), _end(steps[0]["from"])]
    for step in steps:
        parts += [*_step(step), _end(step["to"])]
    if answer["unlinked"]:
        parts += [Text(), *(_unlinked(one) for one in answer["unlinked"])]
    if not answer["is_whole"]:
        parts += [Text(), Text("not all evidence was read: there may be a better way", style="dim")]
    advice = _advice(answer)
    if advice:
        parts += [Text(), Text(advice, style="dim")]
    return Group(*parts)


def _end(name: str) -> Text:
    return Text(f"  {name}", style="bold")


def _step(step: dict[str, Any]) -> list[Text]:
    refused = bool(step["refused_by"])
    bar = Text("  x " if refused else "  │ ", style="red" if refused else "green")
    sessions = f"{step['sessions']} session{'' if step['sessions'] == 1 else 's'}"
    seen = _moment(step["first_seen"])
    if step["last_seen"] != step["first_seen"]:
        seen += f" to {_moment(step['last_seen'])}"
    lines = [Text.assemble((step["kind"], "cyan"), f": {step['means']}"), Text(f"{seen} UTC, {sessions}")]
    lines.append(Text(_sample(step["event"]), style="dim"))
    if refused:
        lines.append(Text(f"refused ({step['refused_by']}): {step['because']}", style="red"))
    # A hanging indent keeps the bar unbroken where a line wraps.
    return [_barred(bar, line) for line in lines]


def _barred(bar: Text, line: Text) -> Text:
    rows = line.wrap(Console(width=_WIDEST), _WIDEST - 20 - len(bar))
    return Text("\n").join(Text.assemble(bar, row) for row in rows)


def _sample(event: dict[str, Any]) -> str:
    if "name" not in event:
        return f"event {event['event_id']}"
    what = event["name"] or event["type"]
    where = f" on {event['channel']}" if event["channel"] else ""
    source = f" by an {event['source']}" if event["source"] == "operator" else ""
    reason = f': "{event["reason"]}"' if event["reason"] else ""
    return f"e.g. {what}{where}{source}, {_moment(event['occurred_at'])}{reason} (event {event['event_id']})"


def _unlinked(one: dict[str, Any]) -> Text:
    reason = f': "{one["reason"]}"' if one["reason"] else ""
    return Text(
        f"{one['a']} and {one['b']} were unlinked on {_moment(one['unlinked_at'])} UTC{reason}",
        style="yellow",
    )


def _advice(answer: dict[str, Any]) -> str:
    pair = f"{answer['a']['identifier']} {answer['b']['identifier']}"
    if "0" in (answer["a"]["person_id"], answer["b"]["person_id"]):
        return ""
    if answer["one_person"]:
        return f"not one person? stitchline unlink {pair} --reason '...'" if answer["steps"] else ""
    if answer["unlinked"]:
        one = answer["unlinked"][0]
        return f"an error? stitchline relink {one['a']} {one['b']} --reason '...'"
    return f"one person after all? stitchline link {pair} --reason '...'"


def _moment(iso: str) -> str:
    return dt.datetime.fromisoformat(iso).strftime("%-d %b %Y %H:%M:%S")
