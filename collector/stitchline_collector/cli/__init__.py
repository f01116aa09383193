"""The command line: one module per command."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from keyword import iskeyword

import click

COMMANDS = {
    "serve": "run a collector",
    "keys": "make, list and revoke keys",
    "demo": "a collector with a few journeys to look at",
    "journey": "one person's way across devices and channels",
    "why": "why two identifiers are one person, or what stands between them",
    "link": "say that two identifiers are one person",
    "unlink": "say that two identifiers are two people",
    "relink": "withdraw an unlink",
    "identity": "how stitching is doing",
    "tail": "events as they arrive",
    "query": "answers about journeys: funnels and more, by name",
    "segment": "named sets of people: sizes, members, exports",
    "webhook": "messages about people: what waits, what nobody took",
    "sql": "ask ClickHouse through a running collector",
    "import": "bring in history: files of events",
    "erase": "everything about one person, gone for good",
    "export": "everything about one person, in one file",
    "failed": "list and replay rejected events",
    "stitch": "join events into persons, or decide everybody anew",
    "migrate": "bring the database to this version's tables",
    "simulate": "people and what they do, with the truth beside it",
    "evaluate": "how good the stitching is, against a simulated truth",
    "candidates": "devices that one person or household may own",
    "conformance": "hold an SDK against the protocol",
}


class _Commands(click.Group):
    """Imports a command when it is run, so that the list of commands and `serve` start without the others' libraries."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = f"{name}_" if iskeyword(name) else name
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), module)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("stitchline"), prog_name="stitchline")
def cli() -> None:
    """One line through every device: collect events, stitch people, ask."""
