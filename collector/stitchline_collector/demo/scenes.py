"""What the reader sees: one scene for each story, then what to try.

Enters: a running collector and a terminal. Leaves: touchpoints as they are played, journeys as they are known afterwards.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from ..cli.journey import render
from ..settings import DEFAULT_PORT
from .processes import KEY, Collector, play
from .stories import Story, Touchpoint

_NAME = 34  # columns for what a touchpoint is
_SCRIPT = 18
_QUERY = """
  SELECT channel, count() AS events, uniq(person_id) AS people
  FROM person_events GROUP BY channel ORDER BY events DESC"""


class Scenes:
    """Plays stories and prints them.

    Args:
        console: where to.
        collector: what the touchpoints send to.
        scratch: a folder for what their devices keep on disk.
        width: columns to fit into.
    """

    def __init__(self, console: Console, collector: Collector, scratch: Path, width: int) -> None:
        self._console = console
        self._collector = collector
        self._scratch = scratch
        self._width = width

    def show(self, story: Story) -> None:
        """Play one story and print the person's journey.

        Raises:
            DemoError: a touchpoint failed, or the journey is not known in time.
        """
        self._console.print()
        self._console.print(
            Rule(Text(story.title, style="bold"), style="dim", align="left"), width=self._width
        )
        for touchpoint in story.touchpoints:
            self._play(touchpoint, "")
        for touchpoint in story.live:
            self._play(touchpoint, "now")
        with self._console.status("joining"):
            began = time.monotonic()
            answer = self._collector.journey(story.who, story.events)
            waited_s = time.monotonic() - began
        self._line("one person, across all of them", f"{waited_s:.1f} s", "green")
        self._console.print()
        self._console.print(render(answer, story.who, self._width), width=self._width)

    def invite(self, story: Story) -> None:
        """Print lines to paste, about the person of a story."""
        url, who = self._collector.url, story.who
        self._console.print()
        self._console.print(
            Rule(Text("Your turn", style="bold"), style="dim", align="left"), width=self._width
        )
        for what, command in _invitations(url, who):
            self._console.print(Text(f"# {what}", style="dim"))
            # Printed as it is: wrapped by the terminal, a line can still be pasted.
            self._console.print(Text(command), soft_wrap=True)
            self._console.print()
        self._console.print(
            Text("# look at the journeys in a browser: choose a person, or a question", style="dim")
        )
        self._console.print(Text(f"{url}/#key={KEY}&view=person", style="bold"), soft_wrap=True)
        self._console.print()

    def _play(self, touchpoint: Touchpoint, when: str) -> None:
        began = time.monotonic()
        with self._console.status(touchpoint.what):
            said = play(touchpoint, self._collector, self._scratch)
        self._line(touchpoint.what, f"{time.monotonic() - began:.1f} s", "cyan", touchpoint.script, when)
        for line in said:
            self._console.print(Text(f"      {line}", style="yellow"))

    def _line(self, what: str, took: str, colour: str, script: str = "", when: str = "") -> None:
        line = Text("  ").append("● ", style=colour).append(f"{what:<{_NAME}}")
        line.append(f"{script and script + '.py':<{_SCRIPT + 2}}", style="dim").append(
            f"{when:<4}", style="bold"
        )
        self._console.print(line.append(f"{took:>6}", style="dim"))


def _invitations(url: str, who: str) -> list[tuple[str, str]]:
    namespace, _, value = who.partition(":")
    ours = "" if url.endswith(f":{DEFAULT_PORT}") else f" --url {url}"
    bearer = f"-H 'Authorization: Bearer {KEY}'"
    event = (
        '{"events": [{"type": "track", "name": "card_used", "channel": "store",\n'
        f'   "stage": "loyalty", "identifiers": {{"{namespace}": "{value}"}}}}]}}'
    )
    return [
        ("send an event", f"curl -s {url}/v1/events {bearer} -d \\\n  '{event}'; echo"),
        ("see it a second later", f"{command()} journey {who}{ours}"),
        (
            "what the cash machine asks",
            f"curl -s '{url}/v1/people/{namespace}/{value}?events=2' \\\n  {bearer} | python3 -m json.tool",
        ),
        (
            "ask ClickHouse",
            f"{command()} sql{ours} '{_QUERY}'",
        ),
        ("what the collector counts", f"curl -s {url}/metrics | grep ^stitchline"),
    ]


def command() -> str:
    """How `stitchline` is called here: by its name where the shell finds it, else by its path."""
    script = Path(sys.executable).parent / "stitchline"
    found = shutil.which("stitchline")
    if found is not None and Path(found).resolve() == script.resolve():
        return "stitchline"
    return str(script.relative_to(Path.cwd())) if script.is_relative_to(Path.cwd()) else str(script)
