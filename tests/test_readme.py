"""The README's code blocks, run for real: in order, in one empty folder, against a collector and a ClickHouse server.

Only the addresses are replaced, because the port of a machine's own collector may be taken. A block after a comment
`<!-- not run: why -->` is left out.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clickhouse_server import ClickHouseServer, free_port
from tests.processes import SAME_KEY

ROOT = Path(__file__).parents[1]
WITHIN_S = 60
_BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^>]+ -->\n)?^```(?P<kind>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LOCAL_LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


class Block(NamedTuple):
    kind: str
    code: str


def blocks() -> list[Block]:
    found = _BLOCK.finditer((ROOT / "README.md").read_text())
    return [Block(match["kind"], match["code"]) for match in found if not match["skip"]]


class Reader:
    """Somebody who pastes each block and waits until it has done what it says."""

    def __init__(self, folder: Path, clickhouse: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._clickhouse = clickhouse
        self._served: subprocess.Popen[bytes] | None = None
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("STITCHLINE_")}
        self._env |= {
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            "STITCHLINE_PORT": str(self.port),
            "STITCHLINE_URL": f"http://127.0.0.1:{self.port}",
            "STITCHLINE_CLICKHOUSE": clickhouse,
            **SAME_KEY,  # so the two collectors of the page have one database here
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def paste(self, block: Block) -> None:
        code = block.code.replace("127.0.0.1:8765", f"127.0.0.1:{self.port}")
        code = code.replace("clickhouse://default@localhost:8123/stitchline", self._clickhouse)
        if block.kind == "toml":
            self.write(code)
        elif block.kind == "sql":
            assert self.ask(code).strip(), f"no rows:\n{code}"
        elif block.kind == "python":
            self.run([sys.executable, "-c", code])
        elif code.startswith("stitchline serve") and "--print-config" not in code:
            self.serve(code)
        else:
            self.run(["bash", "-euo", "pipefail", "-c", code])

    def write(self, code: str) -> None:
        name = code.partition("\n")[0].removeprefix("# ")
        (self.folder / name).write_text(code)

    def ask(self, statement: str) -> str:
        return self.run(["stitchline", "sql", statement, "--format", "TSV", "--key", "read-e2c44b"])

    def run(self, command: list[str]) -> str:
        """Run it; what it asks for may take a moment to arrive, so it is asked again until the deadline."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            ended = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=WITHIN_S,
                cwd=self.folder,
                env=self._env,
                check=False,
            )
            if ended.returncode == 0 and (ended.stdout or command[0] != "stitchline"):
                return ended.stdout
            assert time.monotonic() < deadline, f"{command}\n{ended.stdout}{ended.stderr}"
            time.sleep(0.2)

    def serve(self, code: str) -> None:
        self.stop()
        log = self.folder / "serve.log"
        with log.open("ab") as output:
            self._served = subprocess.Popen(
                ["bash", "-c", f"exec {code.strip()}"],
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=self._env,
            )
        deadline = time.monotonic() + WITHIN_S
        while not self.is_ready():
            assert self._served.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        if self._served is not None:
            self._served.send_signal(signal.SIGTERM)
            assert self._served.wait(WITHIN_S) == 0, (self.folder / "serve.log").read_text()
            self._served = None


@pytest.fixture
def reader(tmp_path: Path, clickhouse_server: ClickHouseServer) -> Iterator[Reader]:
    if shutil.which("curl") is None:
        pytest.skip("the README's lines need curl, and this machine has none")
    one = Reader(tmp_path, clickhouse_server.dsn("readme"))
    yield one
    one.stop()


def test_every_block_of_the_readme_does_what_it_says(reader: Reader) -> None:
    for block in blocks():
        reader.paste(block)
    people = reader.ask("SELECT devices, stage, events FROM people WHERE has(identifiers, 'user:42')")
    assert people.split("\t")[:2] == ["2", "purchase"], people


def test_the_readme_has_blocks_for_each_of_its_readers() -> None:
    kinds = [block.kind for block in blocks()]
    assert {kind: kinds.count(kind) >= 1 for kind in ("python", "sh", "sql", "toml")} == dict.fromkeys(
        ("python", "sh", "sql", "toml"), True
    )


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/configuration.md",
        "docs/decisions/README.md",
    ],
)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    path = ROOT / page
    missing = [link for link in _LOCAL_LINK.findall(path.read_text()) if not (path.parent / link).exists()]
    assert missing == []
