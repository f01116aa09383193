"""`stitchline serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

import click
import maxminddb

from ..engine import EngineError
from ..logs import Log, LogFormat, set_up
from ..migrate import MigrationEdited
from ..settings import ENVIRONMENT_PREFIX, SettingsError, describe, load

if TYPE_CHECKING:
    from ..settings import Settings

log = Log(__name__)


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
@click.option(
    "--log-format",
    type=click.Choice(get_args(LogFormat)),
    help="The log on stderr: for readers, or one JSON object a line.  [default: text]",
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
        # The settings cannot say how, but whoever reads this may have said so elsewhere.
        asked = given["log_format"] or os.environ.get(f"{ENVIRONMENT_PREFIX}LOG_FORMAT")
        _give_up(error, "json" if asked == "json" and not print_config else "text")
    if print_config:
        click.echo(describe(settings))
        return
    set_up(settings.log_format, "parent" if settings.workers > 1 else "collector")
    _run(settings)


def _run(settings: Settings) -> None:
    from ..serve import Collector  # after --print-config, which needs none of it
    from ..serving import run
    from ..workers.parent import Parent, StartFailed

    def announce(port: int) -> None:
        log.info(
            "listening on %(url)s, ClickHouse at %(clickhouse)s",
            event="listening",
            url=f"http://{settings.host}:{port}",
            clickhouse=_without_password(settings.dsn),
        )
        if settings.sql_port:
            log.info(
                "ClickHouse's HTTP protocol, read-only, on %(url)s",
                event="sql_port_listening",
                url=f"http://127.0.0.1:{settings.sql_port}",
            )
        if settings.development:
            log.warning(
                "development mode: no keys are configured, so any key is accepted; loopback only",
                event="development_mode",
            )

    try:
        if settings.workers > 1:
            Parent(settings).run(announce)
        else:
            run(lambda: Collector(settings), announce)
    except StartFailed as error:
        _give_up(f"{error}: the log above says why", settings.log_format)
    except (SettingsError, EngineError, MigrationEdited, ValueError, maxminddb.InvalidDatabaseError) as error:
        _give_up(error, settings.log_format)
    except OSError as error:
        _give_up(
            f"cannot serve on {settings.host}:{settings.port} with {settings.data}: {error}",
            settings.log_format,
        )


def _give_up(why: Any, form: LogFormat) -> NoReturn:
    """End with status 1, and say why as the log is written."""
    if form == "text":
        raise click.ClickException(str(why)) from None
    set_up(form, "collector")
    log.error("cannot serve: %(error)s", event="cannot_serve", error=why)
    raise SystemExit(1)


def _without_password(dsn: str) -> str:
    from ..engine.address import parse

    return str(parse(dsn))
