"""Pages that are written from the program stay equal to it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_settings_and_decisions_stand_in_their_pages_as_they_are() -> None:
    pages = runpy.run_path(str(ROOT / "tools" / "write_pages.py"))["pages"]()
    stale = [path.name for path, text in pages.items() if path.read_text() != text]
    assert stale == [], "run .venv/bin/python tools/write_pages.py"


def test_every_test_that_a_page_names_is_there() -> None:
    missing = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text()):
            file = ROOT / path
            if not file.exists() or not re.search(
                rf"^\s*(async )?def {name}\(", file.read_text(), re.MULTILINE
            ):
                missing.append(f"{page.name}: {path}::{name}")
    assert missing == []


def test_every_line_of_the_threat_model_names_a_test_that_shows_it() -> None:
    tables = (ROOT / "docs" / "threat-model.md").read_text().split("| shown by |\n|---|---|---|\n")[1:]
    lines = [line for table in tables for line in table.partition("\n\n")[0].splitlines()]
    assert len(lines) > 40
    assert [line for line in lines if not re.search(r"`tests/[\w/]+\.py::test_\w+`", line)] == []
