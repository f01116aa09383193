"""`stitchline tail`: events as they arrive."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from .remote import Remote, Unreachable, asks_a_collector

_AGAIN_AFTER_S = 1.0
_REMEMBERED = 20_000  # ids of told events: a stream that goes on tells the last seconds again


@click.command()
@click.option("--name", default="", help="Only events of this name.")
@click.option("--count", type=int, help="End after so many events; without it, at Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@asks_a_collector
def tail(name: str, count: int | None, url: str, key: str, *, as_json: bool) -> None:
    """Print the latest events, and each new one as it arrives.

    \b
    Example:
      stitchline tail --name order_placed
    """
    console = Console(soft_wrap=True)
    try:
        for told, event in enumerate(_events(Remote(url, key), name), start=1):
            if as_json:
                click.echo(json.dumps(event, ensure_ascii=False))
            else:
                console.print(_line(event))
            if told == count:
                return
    except KeyboardInterrupt:
        return


def _events(remote: Remote, name: str) -> Iterator[dict[str, Any]]:
    """Yield each event once, for ever; a collector that is being restarted is waited for."""
    told: OrderedDict[str, None] = OrderedDict()
    last = ""
    while True:
        try:
            with remote.stream("v1", "tail", "stream", last=last, name=name) as lines:
                for message in _messages(lines):
                    last = message.get("id", last)
                    if message.get("event") == "missed":
                        click.echo("more events at once than can be told: older ones are left out", err=True)
                    elif "data" in message and (event := json.loads(message["data"]))["event_id"] not in told:
                        told[event["event_id"]] = None
                        yield event
                    while len(told) > _REMEMBERED:
                        told.popitem(last=False)
        except Unreachable as error:
            if not last:  # it was never there
                raise
            click.echo(f"waiting: {error.message}", err=True)
        time.sleep(_AGAIN_AFTER_S)


def _messages(lines: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """Yield server-sent events by field; ours have one line for each."""
    message: dict[str, str] = {}
    for line in lines:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field:
            message[field] = value
        else:
            yield message
            message = {}


def _line(event: dict[str, Any]) -> Text:
    who = " ".join(f"{namespace}:{value[:16]}" for namespace, value in event["identifiers"].items())
    device = f"{event['device']['type']} {event['device']['id'][:8]}".strip()
    return Text.assemble(
        (event["received_at"][11:19], "dim"),
        "  ",
        (f"{event['name'] or event['type']:<22}", "bold"),
        " ",
        (f"{event['channel']:<11}", "cyan"),
        (f"{event['stage']:<14}", "magenta"),
        f"{device:<16} ",
        (who, "green"),
    )
