"""`stitchline import`: history from elsewhere."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

import click
from msgspec.structs import asdict
from rich.console import Console
from rich.logging import RichHandler

from ..engine import EngineError
from ..history import FORMS, NATIVE, STDIN, Imported, Importer, NobodyLoads, Unusable
from ..intake import ADOPT_EVERY_S
from ..migrate import MigrationEdited
from ..receive import NotDurable
from ..settings import Settings, SettingsError, has_contact_keys, load
from .import_progress import Shown

INTERRUPTED = 130
GO_ON = "the same command goes on from here"
GO_ON_STDIN = "give standard input again from its start: what was stored of it is not stored twice"


@click.command("import")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@click.option(
    "--from",
    "form",
    type=click.Choice([NATIVE, *FORMS]),
    default=NATIVE,
    show_default=True,
    help="What the lines are: our batches, or another product's archive.",
)
@click.option("--source", default="import", show_default=True, help="Name under which the events are stored.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="One TOML file with any of the settings: the collector's.",
)
@click.option("--data", help="The collector's data folder.  [default: ./.stitchline]")
@click.option(
    "--clickhouse",
    metavar="DSN",
    help="chdb:///path or clickhouse://user:pass@host:8123/db.  [default: chdb://DATA/clickhouse]",
)
@click.option("--again", is_flag=True, help="Begin at the start, also of what was imported before.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON.")
def import_(
    files: tuple[str, ...],
    form: str,
    source: str,
    config: Path | None,
    *,
    again: bool,
    as_json: bool,
    **given: object,
) -> None:
    """Import history: JSON lines, each a batch as `POST /v1/events` takes it; `-` is standard input.

    A batch may say when it arrived: `received_at`, beside `sent_at`. gzip and zstd are recognised. Importing a file twice
    changes nothing, and an import that was interrupted goes on where it was. What is rejected is kept in `failed_events`.

    \b
    Examples:
      stitchline import --config stitchline.toml 2024-*.jsonl.gz
      export-events | stitchline import --source legacy -
      stitchline import --from segment --source web archive/*.gz
    """
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, show_time=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    settings, importer, shown = _prepared(console, config, source, given, again=again, form=form)
    began = time.monotonic()
    with shown:
        ending = _run(importer, files)
    report = Report(importer, time.monotonic() - began, ending.message)
    text = report.as_json() if as_json else report.as_text(settings)
    if text:
        click.echo(text)
    if ending.status:
        click.echo(f"Error: {ending.message}", err=True)
        sys.exit(ending.status)


def _prepared(
    console: Console,
    config: Path | None,
    source: str,
    given: dict[str, object],
    *,
    again: bool,
    form: str,
) -> tuple[Settings, Importer, Shown]:
    try:
        settings = load(config, given=given)
        if settings.clickhouse and not has_contact_keys(settings):
            console.print(
                f"note: {settings.data_path} is new and gets a contact key of its own; e-mails and phone numbers meet those of a "
                "collector only if it has the same: give that collector's --config or --data",
                style="yellow",
                soft_wrap=True,
            )
        shown = Shown(console)
        return settings, Importer(settings, source, shown.tell, again=again, form=form), shown
    except (SettingsError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(_of_system(error)) from None


class Ending(NamedTuple):
    """How it ended: the exit status and, unless it is 0, why."""

    status: int = 0
    message: str = ""


def _run(importer: Importer, files: tuple[str, ...]) -> Ending:
    go_on = GO_ON_STDIN if STDIN in files else GO_ON
    # As in `serve`: nothing of the event path waits to be collected.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        asyncio.run(_until_ended(importer, files))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return Ending(INTERRUPTED, f"interrupted; {go_on}")
    except Unusable as error:
        at = importer.imported[-1]
        return Ending(1, f"{at.file}: {error}")
    except NotDurable as error:
        return Ending(1, f"{error}; {go_on}")
    except (EngineError, MigrationEdited, NobodyLoads, ValueError) as error:
        return Ending(1, str(error))
    except OSError as error:
        return Ending(1, f"{_of_system(error)}; {go_on}")
    return Ending()


async def _until_ended(importer: Importer, files: tuple[str, ...]) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 -- narrows the type: this runs in one
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await importer.run(files)


def _of_system(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


class Report:
    """What an import says when it has ended.

    Args:
        importer: That has ended.
        seconds: How long it took.
        error: Why it did not finish, empty if it did.
    """

    def __init__(self, importer: Importer, seconds: float, error: str) -> None:
        self._importer = importer
        self._tally = importer.tally
        self._seconds = seconds
        self._error = error

    def as_json(self) -> str:
        """One object."""
        outlet = self._importer.outlet
        report = {
            "complete": not self._error,
            "error": self._error,
            "files": [asdict(imported) for imported in self._importer.imported],
            "events": self._tally.events,
            "rejected": self._tally.rejected,
            "suppressed": self._tally.suppressed,
            "inflated_bytes": self._tally.inflated_bytes,
            "seconds": round(self._seconds, 3),
            "loaded": outlet.loads_itself and not outlet.waiting_rows,
        }
        return json.dumps(report, ensure_ascii=False)

    def as_text(self, settings: Settings) -> str:
        """Some lines."""
        lines = [_of_file(imported) for imported in self._importer.imported]
        tally = self._tally
        if tally.events or tally.rejected:
            per_s, mb_per_s = tally.events / self._seconds, tally.inflated_bytes / self._seconds / 1e6
            lines.append(
                f"{tally.events:,} events in {self._seconds:.1f} s: {per_s:,.0f} events/s, {mb_per_s:.0f} MB/s; {self._where(settings)}"
            )
        if tally.suppressed:
            lines.append(f"{tally.suppressed:,} events tell of people who were erased, and were left out")
        if any(imported.rejected for imported in self._importer.imported):
            lines.append("see why some were rejected: stitchline failed list")
        return "\n".join(lines)

    def _where(self, settings: Settings) -> str:
        outlet = self._importer.outlet
        if not outlet.loads_itself:
            return f"whoever has ClickHouse open, usually a collector, loads them within {ADOPT_EVERY_S:.0f} s or so"
        if outlet.waiting_rows:
            return f"{outlet.waiting_rows:,} rows wait in {settings.data_path}, for the next import or `stitchline serve`"
        if outlet.isolated:
            return f"in ClickHouse, but for {outlet.isolated:,} that it refused: they are in failed_events"
        return "all of them are in ClickHouse"


def _of_file(imported: Imported) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(imported.rejected.items()))
    text = f"{imported.file}: {imported.accepted:,} events" + (f", rejected {kinds}" if kinds else "")
    if imported.changed:
        text += "; read from its start, because it is not what was imported before"
    elif imported.complete and imported.lines == imported.lines_before > 0:
        text += "; all of it was imported before, --again reads it again"
    elif imported.lines_before:
        text += f"; went on after line {imported.lines_before:,}"
    return text if imported.complete else f"{text}; up to line {imported.lines:,}"
