"""`stitchline evaluate`: how good the stitching is, against a simulated truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from ..engine import Engine, EngineError, ReadLimits
from ..evaluate import AnswerKey, Answers, Evaluation, NoWorld, read
from ..evaluate import evaluate as judge
from ..evaluate.answers import Ask
from ..evaluate.pictures import f05, strata
from ..evaluate.tables import fill_in, tables
from .remote import Remote, asks_a_collector
from .work import Work

# Whoever opens the database has it to themselves: a slice may take as long as it needs.
_LIMITS = ReadLimits(time_s=3600, result_rows=10**9, result_bytes=16 * 1024**3, memory_bytes=16 * 1024**3)


@click.command()
@click.option(
    "--truth",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="The folder that `stitchline simulate` wrote.",
)
@click.option(
    "--clickhouse",
    "dsn",
    metavar="DSN",
    help="Ask this ClickHouse instead of a collector: chdb:///path or clickhouse://user:pass@host:8123/db.",
)
@click.option("--baselines", is_flag=True, help="Judge the usual methods alone; ask nobody.")
@click.option(
    "--plots", type=click.Path(path_type=Path, file_okay=False), help="Write pictures (SVG) into this folder."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Write the figures into this page, between its marks `<!-- figures: NAME -->` and `<!-- end -->`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@asks_a_collector
def evaluate(
    truth: Path,
    dsn: str | None,
    plots: Path | None,
    report: Path | None,
    url: str,
    key: str,
    *,
    baselines: bool,
    as_json: bool,
) -> None:
    """Compare who the events were given to with who truly made them.

    Import the simulated events first and let the stitching finish. The same events are given to the usual methods: last login wins,
    last login so far, last authenticated graph and plain components.

    \b
    Examples:
      stitchline evaluate --truth world
      stitchline evaluate --truth world --clickhouse chdb:///var/lib/stitchline/clickhouse --plots . --json
    """
    try:
        with Work() as work:
            work.tell("reading the truth")
            answer_key = AnswerKey(truth)
            answers = None if baselines else _answers(answer_key, dsn, Remote(url, key), work)
            evaluation = judge(answer_key, answers, work.tell)
        _draw(evaluation, plots)
        if report:
            report.write_text(fill_in(report.read_text(), evaluation))
    except (NoWorld, EngineError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(evaluation)))
    else:
        _print(evaluation)
    if evaluation.missing:
        raise click.ClickException(
            f"{evaluation.missing:,} of {len(answer_key):,} events are not there: import all files of {truth} first"
        )


def _answers(key: AnswerKey, dsn: str | None, remote: Remote, work: Work) -> Answers:
    def told(done: int) -> None:
        work.tell("asking for persons", done, len(key))

    if dsn is None:
        return read(key, lambda sql: remote.post("v1/sql", sql.encode(), {"format": "RowBinary"}), told)
    with _opened(dsn) as ask:
        return read(key, ask, told)


@contextmanager
def _opened(dsn: str) -> Iterator[Ask]:
    with Engine.open(dsn) as engine:
        reader = engine.reader(_LIMITS)
        try:
            yield lambda sql: reader.raw(sql, "RowBinary")
        finally:
            reader.close()


def _draw(evaluation: Evaluation, folder: Path | None) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "identity-f05.svg").write_text(f05(evaluation))
    (folder / "identity-strata.svg").write_text(strata(evaluation))


def _print(evaluation: Evaluation) -> None:
    console = Console()
    for one in tables(evaluation):
        table = Table(
            title=one.title, title_justify="left", header_style="bold", pad_edge=False, box=box.SIMPLE_HEAD
        )
        for place, column in enumerate(one.header):
            table.add_column(column, justify="right" if place else "left", no_wrap=not place)
        for row in one.rows:
            table.add_row(*row)
        console.print(table, "")
    console.print("* strata of devices that several people use", style="dim", highlight=False)
