from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stitchline_collector import sql_files

ROOT = Path(__file__).parents[2]


def test_the_checkout_is_used_where_there_is_no_wheel() -> None:
    assert sql_files.folder("migrations") == ROOT / "clickhouse" / "migrations"
    assert sql_files.files("migrations")[0].name == "0001_events.sql"


def test_a_missing_folder_is_a_broken_installation() -> None:
    with pytest.raises(FileNotFoundError, match="install stitchline again"):
        sql_files.folder("nowhere")


def test_an_installed_wheel_brings_its_own_sql(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")

    ask = "from stitchline_collector import sql_files; print(sql_files.folder('migrations'), *(f.name for f in sql_files.files('migrations')))"
    python = [sys.executable, "-S", "-c", ask]  # -S: without the editable install
    printed = subprocess.run(
        python, cwd=tmp_path / "installed", check=True, capture_output=True, text=True
    ).stdout.split()

    assert printed[0] == str(tmp_path / "installed" / "stitchline_collector" / "_sql" / "migrations")
    assert printed[1:] == [file.name for file in sql_files.files("migrations")]
