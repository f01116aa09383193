"""`stitchline unlink`: say that two identifiers are two people."""

from __future__ import annotations

import click

from .remote import Remote
from .verdicts import record, report, takes_a_verdict


@click.command()
@takes_a_verdict
def unlink(a: tuple[str, str], b: tuple[str, str], reason: str, url: str, key: str, *, as_json: bool) -> None:
    """Say that A and B are two people; needs a key of kind admin.

    No evidence seen so far joins them any more, by whatever way. What is seen later counts again: a new sign-in of A on B,
    for example. Nothing is deleted, and `relink` withdraws it.

    \b
    Example:
      stitchline unlink user:42 device:web-1 --reason 'a colleague used the laptop'
    """
    recorded = record("unlink", a, b, reason, Remote(url, key))
    report(recorded, "two people, whatever was seen so far", "relink", as_json=as_json)
