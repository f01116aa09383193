"""Pages that are written from the program stay equal to it."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_settings_and_decisions_stand_in_their_pages_as_they_are() -> None:
    pages = runpy.run_path(str(ROOT / "tools" / "write_pages.py"))["pages"]()
    stale = [path.name for path, text in pages.items() if path.read_text() != text]
    assert stale == [], "run .venv/bin/python tools/write_pages.py"
