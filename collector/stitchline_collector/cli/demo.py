"""`stitchline demo`: a collector, three journeys, and lines to paste."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.text import Text

from ..demo.processes import Collector, DemoError, free_port
from ..demo.scenes import Scenes
from ..demo.stories import STORIES, folder
from ..settings import DEFAULT_PORT

_WIDEST = 100


@click.command()
@click.option("--once", is_flag=True, help="End after the journeys, instead of staying up.")
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, help="Port to listen on; another one if it is taken."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to keep. Without it, everything is in a temporary folder and removed at the end.",
)
def demo(port: int, data: Path | None, *, once: bool) -> None:
    """Start a collector, play three journeys from separate processes, and stay up until Ctrl-C.

    \b
    Example:
      stitchline demo
      stitchline demo --once --data /tmp/look-inside
    """
    console = Console(highlight=False)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    # A shell that starts it in the background has it ignore Ctrl-C; whoever sends the signal then still means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        folder()
        with _kept_or_temporary(data) as place, _collector(console, place, port) as collector:
            scenes = Scenes(console, collector, place / "devices", min(console.width, _WIDEST))
            for story in STORIES:
                scenes.show(story)
            scenes.invite(STORIES[-1])
            if not once:
                _stay(console, collector, data)
    except (DemoError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def _collector(console: Console, place: Path, port: int) -> Iterator[Collector]:
    """Run a collector, and say when it is ready and that it stops."""
    began = time.monotonic()
    collector = Collector(place, free_port(port))
    with console.status("starting a collector with ClickHouse inside it"):
        collector.__enter__()
    try:
        ready_s = time.monotonic() - began
        line = Text.assemble(("Stitchline", "bold"), "  a collector with ClickHouse inside, ")
        console.print(line.append(collector.url, style="bold").append(f"  {ready_s:.1f} s", style="dim"))
        yield collector
    finally:
        with console.status("stopping"):
            collector.__exit__()


@contextmanager
def _kept_or_temporary(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="stitchline-demo-") as temporary:
        yield Path(temporary)


def _stay(console: Console, collector: Collector, data: Path | None) -> None:
    """Wait for Ctrl-C, which is the way to end this.

    Raises:
        DemoError: the collector ended by itself.
    """
    kept = f"what it holds stays in {data}" if data else "what it holds is removed then; --data DIR keeps it"
    try:
        console.print(Text.assemble(("It stays up until Ctrl-C", "bold"), (f"; {kept}.", "dim")))
        while True:
            collector.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print()


def _end(number: int, _frame: object) -> NoReturn:
    """End in good order on SIGTERM and SIGHUP: what was started is stopped on the way out."""
    sys.exit(128 + number)
