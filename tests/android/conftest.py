"""The Android client in plain Java, built once into a folder that goes away."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "sdk" / "android" / "src"


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled classes; a warning of the compiler fails here."""
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("no JDK here (javac and java, 11 or newer): the Android client is not tested")
    folder = tmp_path_factory.mktemp("classes")
    sources = map(str, sorted(SOURCES.rglob("*.java")))
    command = ["javac", "--release", "11", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", str(folder)]
    done = subprocess.run([*command, *sources], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
