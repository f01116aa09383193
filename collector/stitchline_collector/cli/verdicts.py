"""What `link`, `unlink` and `relink` share: sending an operator's word, and saying what comes next."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from .remote import Remote, asks_as_admin, identifier

Command = TypeVar("Command", bound=Callable[..., Any])


def takes_a_verdict(command: Command) -> Command:
    """Give a command its two identifiers, `--reason`, `--json` and the collector's options."""
    decorators = (
        click.argument("a", callback=identifier),
        click.argument("b", callback=identifier),
        click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept, and `why` shows it."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object: what was recorded."),
        asks_as_admin,
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def record(
    verdict: str, a: tuple[str, str], b: tuple[str, str], reason: str, remote: Remote
) -> dict[str, Any]:
    """Send an operator's word to a collector; returns what was recorded."""
    body = {"a": ":".join(a), "b": ":".join(b), "reason": reason}
    answer = remote.post(f"v1/identity/{verdict}", json.dumps(body).encode(), {})
    recorded: dict[str, Any] = json.loads(answer)
    return recorded


def report(recorded: dict[str, Any], effect: str, undo: str, *, as_json: bool) -> None:
    """Print what was recorded, what it does and how to undo it."""
    if as_json:
        click.echo(json.dumps(recorded, ensure_ascii=False))
        return
    pair = f"{recorded['a']} {recorded['b']}"
    click.echo(f"recorded as event {recorded['event_id']}: {effect}")
    click.echo(f"in a second or two:  stitchline why {pair}")
    click.echo(f"to undo:             stitchline {undo} {pair} --reason '...'")
