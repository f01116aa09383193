"""`stitchline migrate`: bring a database up to date without starting a collector."""

from __future__ import annotations

import json

import click

from stitchline_collector import migrate as migrations
from stitchline_collector.engine import Engine, EngineError
from stitchline_collector.journeys import journey_text, prepare


@click.command()
@click.option(
    "--clickhouse",
    "dsn",
    metavar="DSN",
    envvar="STITCHLINE_CLICKHOUSE",
    required=True,
    help="chdb:///abs/path, or clickhouse://user:pass@host:8123/db  [env: STITCHLINE_CLICKHOUSE]",
)
@click.option(
    "--cluster",
    default="",
    metavar="NAME",
    help="Spread the schema over this cluster of remote_servers; the DSN names one host per shard. The same as ?cluster=NAME in it.",
)
@click.option(
    "--journey", default="", help="A journey.toml; without it the one given last holds.", metavar="FILE"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def migrate(dsn: str, cluster: str, journey: str, *, as_json: bool) -> None:
    """Create or update the tables and views of a ClickHouse database.

    `stitchline serve` does the same when it starts. Running it again changes nothing.

    \b
    Examples:
      stitchline migrate --clickhouse clickhouse://default@localhost:8123/stitchline --journey journey.toml
      stitchline migrate --clickhouse clickhouse://one:8123,two:8123/stitchline --cluster stitchline
    """
    try:
        text = journey_text(journey)
        with Engine.open(dsn, cluster=cluster) as engine:
            applied = migrations.apply(engine)
            prepare(engine, text)
            database = engine.database
    except (ValueError, EngineError, migrations.MigrationEdited) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({"database": database, "applied": applied}))
        return
    for name in applied:
        click.echo(f"applied {name}")
    click.echo(f"{database} is up to date")
