"""`stitchline link`: say that two identifiers are one person."""

from __future__ import annotations

import click

from .remote import Remote
from .verdicts import record, report, takes_a_verdict


@click.command()
@takes_a_verdict
@click.option("--yes", is_flag=True, help="Do not ask before two logins become one person.")
def link(
    a: tuple[str, str], b: tuple[str, str], reason: str, url: str, key: str, *, as_json: bool, yes: bool
) -> None:
    """Say that A and B are one person; needs a key of kind admin.

    This is evidence like any other, and may be refused: a shared device joins nobody, and a link brings nobody a second
    e-mail. `stitchline why A B` tells. Two logins become one person with all that both have done, so that is asked about first.

    \b
    Examples:
      stitchline link user:42 loyalty:7781 --reason 'card shown in the branch'
      stitchline link user:42 user:43 --reason 'registered twice' --yes
    """
    if a[0] == b[0] == "user" and not yes:
        click.confirm(
            f"{':'.join(a)} and {':'.join(b)} are two logins: all that both have done becomes one person's. Go on?",
            abort=True,
            err=True,
        )
    recorded = record("link", a, b, reason, Remote(url, key))
    report(recorded, "one person, unless a rule forbids it", "unlink", as_json=as_json)
