"""The analysts' page, tried as a new analyst would: every line of it, on what the demo leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from stitchline_collector.journeys.definition import read
from tests.clickhouse_server import free_port

PAGE = (Path(__file__).parents[1] / "docs" / "analysts.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LINES = sorted({
    line.partition("  #")[0].rstrip()
    for kind, code in BLOCKS
    if kind == "sh"
    for line in code.splitlines()
    if not line.startswith(("export", "stitchline migrate"))  # migrate is for a server
})  # fmt: skip
STATEMENTS = [code for kind, code in BLOCKS if kind == "sql"]
WITHIN_S = 120


class Analyst:
    """Somebody with the page, a terminal in an empty folder, and the demo."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("STITCHLINE_")}
        self._env |= {
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            "STITCHLINE_URL": url,
            "STITCHLINE_KEY": "demo",
        }

    def run(self, *command: str) -> str:
        """Run it, and return what it prints."""
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            cwd=self._folder,
            env=self._env,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def paste(self, line: str) -> str:
        """Run a line of the page."""
        return self.run("bash", "-euc", line.replace("http://127.0.0.1:8765", self._url))


@pytest.fixture(scope="module")
def analyst(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analyst]:
    """Has started the demo and waited for its end."""
    folder = tmp_path_factory.mktemp("analyst")
    command = [sys.executable, "-m", "stitchline_collector", "demo", "--port", str(free_port())]
    env = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1, env=env) as demo:
        assert demo.stdout is not None
        url = ""
        for line in demo.stdout:
            url = url or (re.search(r"http://127\.0\.0\.1:\d+", line) or [""])[0]
            if "It stays up" in line:
                break
        yield Analyst(folder, url)
        demo.terminate()
        demo.communicate(timeout=WITHIN_S)


@pytest.mark.parametrize("line", LINES)
def test_every_line_of_the_page_does_something(analyst: Analyst, line: str) -> None:
    analyst.paste(line)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_of_the_page_can_be_asked(analyst: Analyst, statement: str) -> None:
    analyst.run("stitchline", "sql", statement)


def test_the_definition_on_the_page_is_one() -> None:
    (text,) = [code for kind, code in BLOCKS if kind == "toml"]
    assert [one.name for one in read(text).milestones] == ["first_view", "big_order"]


def test_the_demo_answers_which_pair_hands_over_and_what_stitching_changed(analyst: Analyst) -> None:
    def pairs(stitched: int) -> list[tuple[str, str, int]]:
        said = analyst.paste(f"stitchline query began_converted --param stitched={stitched} --json")
        return [
            (row["began_on"], row["converted_on"], int(row["people"])) for row in json.loads(said)["data"]
        ]

    assert pairs(1) == [("web", "app", 2), ("mobile_web", "call_center", 1)]
    assert pairs(0) == [("web", "", 2), ("app", "app", 1), ("mobile_web", "", 1)]
