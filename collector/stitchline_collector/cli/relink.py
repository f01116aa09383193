"""`stitchline relink`: withdraw an `unlink`."""

from __future__ import annotations

import click

from .remote import Remote
from .verdicts import record, report, takes_a_verdict


@click.command()
@takes_a_verdict
def relink(a: tuple[str, str], b: tuple[str, str], reason: str, url: str, key: str, *, as_json: bool) -> None:
    """Withdraw an `unlink` of A and B; needs a key of kind admin.

    The evidence decides again, as if they had never been unlinked. This makes no evidence itself: to join what nothing joins,
    use `link`.

    \b
    Example:
      stitchline relink user:42 device:web-1 --reason 'it was his after all'
    """
    recorded = record("relink", a, b, reason, Remote(url, key))
    report(recorded, "the unlink is withdrawn, and the evidence decides again", "unlink", as_json=as_json)
