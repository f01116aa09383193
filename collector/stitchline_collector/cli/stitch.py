"""`stitchline stitch`: stitch without a collector, or decide everybody anew."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from .. import migrate
from ..contact_keys import claim
from ..engine import Engine, EngineBusy, EngineError
from ..engine.address import parse
from ..enrich.contacts import Contacts
from ..settings import Settings, SettingsError, contact_keys, has_contact_keys, load
from ..stitch import Standby, Stitcher
from .remote import Remote


@click.command()
@click.option(
    "--full", is_flag=True, help="Decide everybody anew from all evidence, by the [identity] settings of now."
)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="The collector's TOML file.")
@click.option("--data", help="The collector's data folder.  [default: ./.stitchline]")
@click.option(
    "--clickhouse", metavar="DSN", help="As for `stitchline serve`.  [default: chdb://DATA/clickhouse]"
)
@click.option("--url", help="With --full: let this running collector do it.")
@click.option(
    "--key", envvar="STITCHLINE_KEY", default="development", show_envvar=True, help="A key of kind admin."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a line.")
def stitch(
    *, full: bool, url: str | None, key: str, as_json: bool, config: Path | None, **given: object
) -> None:
    """Join the events that wait into persons; with --full, all of them anew.

    A running collector stitches twice a second by itself. This is for data that was loaded without one, and for a change
    of the [identity] settings, which takes effect with --full.

    \b
    Example:
      stitchline stitch --full --url http://127.0.0.1:8765 --key ADMIN-KEY
    """
    if url and not full:
        raise click.UsageError("--url goes with --full: a running collector stitches what waits by itself")
    if url:
        Remote(url, key).post("v1/identity/rebuild", b"", {})
        _say(
            f"{url} decides everybody anew; its log and /metrics say when it is done",
            as_json=as_json,
            asked=url,
        )
        return
    try:
        settings = load(config, given=given)
        _refuse_an_empty_place(settings)
        with Engine.open(settings.dsn) as engine:
            migrate.apply(engine)
            contacts = Contacts(contact_keys(settings)) if has_contact_keys(settings) else None
            if contacts is not None:
                claim(engine, contacts)
            _stitch(Stitcher(engine, settings.identity, contacts=contacts), full=full, as_json=as_json)
    except EngineBusy as error:
        raise click.ClickException(
            f"{error}\nA running collector stitches by itself; for --full give its --url."
        ) from None
    except (SettingsError, EngineError, migrate.MigrationEdited, ValueError, Standby) as error:
        raise click.ClickException(str(error)) from None


def _refuse_an_empty_place(settings: Settings) -> None:
    """Refuse to make an embedded database: it would be empty, and to decide nobody anew would look like success."""
    folder = parse(settings.dsn).path
    if folder is not None and not folder.exists():
        raise SettingsError(
            f"there is no embedded database at {folder}: name the collector's --config, --data or --clickhouse, "
            "or let the running one do it, with --url and --key"
        )


def _stitch(stitcher: Stitcher, *, full: bool, as_json: bool) -> None:
    began = time.monotonic()
    while stitcher.round():
        pass
    if stitcher.progress.standby:
        raise Standby("another collector is stitching: for --full give its --url")
    if full:
        stitcher.rebuild()
    stitcher.close()
    changed, seconds = stitcher.progress.persons_changed, time.monotonic() - began
    _say(
        f"{changed:,} identifiers got another person, in {seconds:.1f} s",
        as_json=as_json,
        changed=changed,
        seconds=round(seconds, 3),
    )


def _say(line: str, *, as_json: bool, **values: object) -> None:
    click.echo(json.dumps(values) if as_json else line)
