"""`stitchline candidates`: pairs of devices that one person or household may own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import migrate
from ..candidates import DEFAULT_LIMITS, Limits, find
from ..candidates.calibration import Calibration
from ..candidates.evaluation import evaluate
from ..candidates.networks import Shares
from ..engine import Engine, EngineError
from .work import Work

_TOWN = "stitchline_candidates_town"
_PAIRS = """
SELECT low_name, high_name, probability, weight, features, shared_networks, closeness, days_together, is_one_person,
    toString(person_low) AS person_low, toString(person_high) AS person_high, toString(decided_at) AS decided_at
FROM identity_candidates
WHERE probability >= {probability:Float64} AND (NOT is_one_person OR {joined:Bool})
ORDER BY probability DESC, weight DESC, device_low, device_high
LIMIT {limit:UInt32}
"""


@click.command()
@click.option(
    "--clickhouse",
    "dsn",
    metavar="DSN",
    envvar="STITCHLINE_CLICKHOUSE",
    help="chdb:///abs/path, or clickhouse://user:pass@host:8123/db  [env: STITCHLINE_CLICKHOUSE]",
)
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    default=0.9,
    show_default=True,
    help="Print those from here upwards.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="Print at most so many pairs."
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=DEFAULT_LIMITS.days,
    show_default=True,
    help="Look at so many days of events, back from the latest.",
)
@click.option("--joined", is_flag=True, help="Print also pairs that the evidence has made one person.")
@click.option(
    "--evaluate",
    "world",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Instead: search a folder that `stitchline simulate` wrote, and compare with its truth.",
)
@click.option(
    "--one-place",
    is_flag=True,
    help="With --evaluate: as if all devices had one time zone and locale, as in one country.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def candidates(
    dsn: str | None,
    min_probability: float,
    limit: int,
    days: int,
    world: Path | None,
    *,
    joined: bool,
    one_place: bool,
    as_json: bool,
) -> None:
    """Search for devices that one person or household may own, and write them to the view identity_candidates.

    Pairs are scored by the networks they share, time zone and locale, system and model, and hours of use. They are only shown: no
    probability ever joins two persons.

    \b
    Examples:
      stitchline candidates --clickhouse clickhouse://default@localhost:8123/stitchline --min-probability 0.95
      stitchline candidates --evaluate world --json
    """
    limits = DEFAULT_LIMITS._replace(days=days)
    try:
        with Work() as work:
            answer = (
                _judged(dsn, world, limits, work, Shares(one_place=one_place))
                if world
                else _found(
                    dsn, limits, work, {"probability": min_probability, "joined": joined, "limit": limit}
                )
            )
    except FileNotFoundError as error:
        raise click.ClickException(
            f"{world} holds no simulation ({error.filename}): make one with `stitchline simulate --people 3000 --out world`"
        ) from None
    except (ValueError, EngineError, migrate.MigrationEdited) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(answer)))
    elif isinstance(answer, Calibration):
        _print_calibration(answer)
    else:
        _print_pairs(answer)


def _found(dsn: str | None, limits: Limits, work: Work, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    if dsn is None:
        raise click.UsageError("name the database: --clickhouse DSN or STITCHLINE_CLICKHOUSE")
    with Engine.open(dsn) as engine:
        migrate.apply(engine)
        find(engine, limits, work.tell)
        session = engine.session()
        try:
            return session.query(_PAIRS, wanted).dicts()
        finally:
            session.close()


def _judged(dsn: str | None, world: Path, limits: Limits, work: Work, shares: Shares) -> Calibration:
    with _town(dsn) as engine:
        return evaluate(engine, world, limits, shares, work.tell)


@contextmanager
def _town(dsn: str | None) -> Iterator[Engine]:
    """A database that nobody else uses, beside the one that is named or in a folder of its own; dropped afterwards."""
    with (
        TemporaryDirectory() as folder,
        Engine.open(dsn or f"chdb://{Path(folder) / 'clickhouse'}", database=_TOWN) as engine,
    ):
        _drop(engine)
        try:
            yield engine
        finally:
            _drop(engine)


def _drop(engine: Engine) -> None:
    session = engine.session(database="default")
    try:
        session.command(f"DROP DATABASE IF EXISTS {engine.database} SYNC")
    finally:
        session.close()


def _print_pairs(pairs: list[dict[str, Any]]) -> None:
    console = Console()
    if not pairs:
        console.print("no such pairs: try a lower --min-probability, or more --days")
        return
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    table.add_column("probability", justify="right")
    for column in ("device", "other device", "networks", "because"):
        table.add_column(column, overflow="fold")
    for pair in pairs:
        because = ", ".join(f"{name} {level}" for name, level in pair["features"].items())
        cells = (f"{pair['probability']:.3f}", pair["low_name"], pair["high_name"], str(pair["shared_networks"]), because)  # fmt: skip
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print("only shown: nothing was joined", style="dim")


def _print_calibration(found: Calibration) -> None:
    console = Console()
    console.print(
        f"{found.devices:,} devices; {found.met_person_pairs:,} of {found.person_pairs:,} pairs of one person and "
        f"{found.met_household_pairs:,} of {found.household_pairs:,} of one household share a network that is not everybody's",
        highlight=False,
        soft_wrap=True,
    )
    _print_table(
        ("probability from", "pairs", "one person already", "household precision", "recall", "person precision", "recall"),
        [
            (f"{at.threshold:.2f}", f"{at.pairs:,}", f"{at.joined:,}", *map("{:.3f}".format, (at.household_precision, at.household_recall, at.person_precision, at.person_recall)))
            for at in found.thresholds
        ],
    )  # fmt: skip
    _print_table(
        ("said from", "pairs", "said on average", "true: one household", "true: one person"),
        [
            (f"{one.lowest:.2f}", f"{one.pairs:,}", *map("{:.3f}".format, (one.said, one.household, one.person)))
            for one in found.bins
        ],
    )  # fmt: skip


def _print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(header_style="bold", pad_edge=False, box=box.SIMPLE_HEAD)
    for column in header:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
