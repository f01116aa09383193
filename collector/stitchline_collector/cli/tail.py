"""`stitchline tail`: events as they arrive."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from .remote import Remote, Unreachable, asks_a_collector

_EVERY_S = 1.0
_MOST_AT_ONCE = 500
_REMEMBERED = 20_000  # ids of told events: the collector may tell an event of the last seconds twice


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
    """Yield each event once, for ever."""
    told: OrderedDict[str, None] = OrderedDict()
    answer = remote.get("v1", "tail", name=name)
    while True:
        for event in answer["events"]:
            if event["event_id"] not in told:
                told[event["event_id"]] = None
                yield event
        while len(told) > _REMEMBERED:
            told.popitem(last=False)
        time.sleep(_EVERY_S)
        answer = _again(remote, name, answer)


def _again(remote: Remote, name: str, last: dict[str, Any]) -> dict[str, Any]:
    """Look again; a collector that is being restarted is waited for."""
    try:
        answer: dict[str, Any] = remote.get(
            "v1", "tail", name=name, cursor=last["cursor"], events=_MOST_AT_ONCE
        )
    except Unreachable as error:
        click.echo(f"waiting: {error.message}", err=True)
        return {"cursor": last["cursor"], "events": []}
    return answer


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
