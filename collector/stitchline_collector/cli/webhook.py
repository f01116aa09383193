"""`stitchline webhook`: how messages to other tools are doing, and sending again what nobody took."""

from __future__ import annotations

import json
from urllib.parse import quote

import click

from .answer import show_rows
from .remote import Remote, asks_a_collector, asks_as_admin

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def webhook() -> None:
    """Look after the messages to other tools (docs/activation.md).

    \b
    Examples:
      stitchline webhook list
      stitchline webhook replay crm
    """


@webhook.command("list")
@_json
@asks_a_collector
def list_(url: str, key: str, *, as_json: bool) -> None:
    """List the webhooks, with what was delivered since the start, what waits, and the dead letters.

    \b
    Example:
      stitchline webhook list --json
    """
    found = Remote(url, key).get("v1", "webhooks")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    webhooks = found["webhooks"]
    if not webhooks:
        click.echo("no webhooks: define them in the configuration (docs/activation.md)")
        return
    show_rows(
        ["webhook", "tells of", "delivered", "waiting", "dead", "last error"],
        [
            [
                one["name"],
                " ".join([*one["milestones"], *one["segments"]]),
                one["delivered"],
                one["pending"],
                one["dead"],
                one["error"] or next((letter["error"] for letter in one["dead_letters"]), ""),
            ]
            for one in webhooks
        ],
    )
    for name in (one["name"] for one in webhooks if one["dead"]):
        click.echo(
            f"send the dead letters again when the receiver is mended: stitchline webhook replay {name}"
        )


@webhook.command()
@click.argument("name")
@_json
@asks_as_admin
def replay(name: str, url: str, key: str, *, as_json: bool) -> None:
    """Send the dead letters of a webhook again, under the same ids; needs a key of kind admin.

    A letter is sent only if its person still agrees, and is dead again when nobody takes it within `give_up_after_s`.

    \b
    Example:
      stitchline webhook replay crm
    """
    done = json.loads(Remote(url, key).post(f"v1/webhooks/{quote(name, safe='')}/replay", b"", {}))
    if as_json:
        click.echo(json.dumps(done))
    else:
        click.echo(f"{done['replayed']:,} messages are on their way again")
