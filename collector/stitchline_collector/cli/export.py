"""`stitchline export`: everything about one person, in one file."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import click

from .remote import Remote, asks_as_admin, identifier


@click.command()
@click.argument("who", metavar="IDENTIFIER", callback=identifier)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file, readable to you alone, instead of to standard output.",
)
@asks_as_admin
def export(who: tuple[str, str], output: Path | None, url: str, key: str) -> None:
    """Print all there is of the person an identifier belongs to, a JSON object a line; needs a key of kind admin.

    Each line has `place`, the same places that `stitchline erase` empties, and `row`, what lies there.

    \b
    Example:
      stitchline export user:42 --output ada.jsonl
    """
    body = Remote(url, key).read(("v1", "export", *who), {})
    if not body:
        raise click.ClickException(f"nobody is known as {':'.join(who)}: nothing was written")
    if output is None:
        sys.stdout.buffer.write(body)
        return
    output.touch(mode=0o600)
    output.chmod(0o600)  # also where it was there already
    output.write_bytes(body)
    places = Counter(json.loads(line)["place"] for line in body.splitlines())
    for place, rows in places.items():
        click.echo(f"{rows:>8,}  {place}")
    click.echo(f"{places.total():>8,}  in {output}")
