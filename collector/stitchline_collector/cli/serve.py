"""`stitchline serve`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import maxminddb

from ..engine import EngineError
from ..migrate import MigrationEdited
from ..settings import SettingsError, describe, load

if TYPE_CHECKING:
    from ..settings import Settings


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="One TOML file with any of the settings.",
)
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8765]")
@click.option("--workers", type=int, help="Processes that take events.  [default: 1, which does everything]")
@click.option(
    "--sql-port",
    type=int,
    help="Port for tools that speak to ClickHouse over HTTP, on 127.0.0.1.  [default: off]",
)
@click.option("--data", help="Folder for spool and embedded database.  [default: ./.stitchline]")
@click.option(
    "--clickhouse",
    metavar="DSN",
    help="chdb:///path or clickhouse://user:pass@host:8123/db.  [default: chdb://DATA/clickhouse]",
)
@click.option("--print-config", is_flag=True, help="Show the effective settings, secrets hidden, and end.")
def serve(config: Path | None, print_config: bool, **given: object) -> None:  # noqa: FBT001 -- click passes flags so
    """Run a collector.

    Every setting can stand in the file and in the environment (STITCHLINE_PORT=9000); --print-config shows them all.

    \b
    Example:
      stitchline serve --data /var/lib/stitchline --clickhouse clickhouse://default:@localhost:8123/stitchline
    """
    try:
        settings = load(config, given=given)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    if print_config:
        click.echo(describe(settings))
        return
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    _run(settings)


def _run(settings: Settings) -> None:
    from ..serve import Collector, run  # after --print-config, which needs none of it
    from ..workers.parent import Parent, StartFailed

    def announce(port: int) -> None:
        where = f"http://{settings.host}:{port}"
        click.echo(f"listening on {where}, ClickHouse at {_without_password(settings.dsn)}", err=True)
        if settings.sql_port:
            click.echo(
                f"ClickHouse's HTTP protocol, read-only, on http://127.0.0.1:{settings.sql_port}", err=True
            )
        if settings.development:
            click.echo(
                "development mode: no keys are configured, so any key is accepted; loopback only", err=True
            )

    try:
        if settings.workers > 1:
            Parent(settings).run(announce)
        else:
            run(lambda: Collector(settings), announce)
    except StartFailed as error:
        raise click.ClickException(f"{error}: the log above says why") from None
    except (SettingsError, EngineError, MigrationEdited, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(
            f"cannot serve on {settings.host}:{settings.port} with {settings.data}: {error}"
        ) from None


def _without_password(dsn: str) -> str:
    from ..engine.address import parse

    return str(parse(dsn))
