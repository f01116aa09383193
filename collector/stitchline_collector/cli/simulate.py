"""`stitchline simulate`: people and what they do, with the truth beside it."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from ..simulate import Behaviour, NotEmpty, Summary, write
from .work import Work


@click.command()
@click.option("--people", type=click.IntRange(1), default=2000, show_default=True, help="How many people.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same files.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=Behaviour().days,
    show_default=True,
    help="Length of the time.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A new or empty folder."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print what was written as JSON, as in simulation.json."
)
def simulate(people: int, seed: int, days: int, out: Path, *, as_json: bool) -> None:
    """Simulate people on phones, shared tablets, kiosks and the phone, and write down who they truly were.

    Writes events-*.jsonl.zst for `stitchline import`, truth-*.jsonl.zst for `stitchline evaluate`, and simulation.json. A person
    has 40 to 50 events on average; memory does not grow with their number.

    \b
    Example:
      stitchline simulate --people 20000 --seed 1 --out world
      stitchline import world/events-*.jsonl.zst
      stitchline evaluate --truth world
    """
    try:
        with Work() as work:
            summary = write(people, seed, out, Behaviour(days=days), work.tell)
    except NotEmpty as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(summary)))
    else:
        _print(summary, out)


def _print(summary: Summary, out: Path) -> None:
    console = Console()
    table = Table("stratum", "events", header_style="bold", show_edge=False, pad_edge=False)
    table.columns[1].justify = "right"
    for stratum, events in summary.strata.items():
        table.add_row(stratum, f"{events:,}")
    console.print(table)
    console.print(
        f"{summary.events:,} events of {summary.people:,} people in {summary.batches:,} batches, {summary.solvable_events:,} solvable",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"next: stitchline import {out}/events-*.jsonl.zst", style="dim", highlight=False, soft_wrap=True
    )
