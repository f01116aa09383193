"""Pages that are written from the program stay equal to it."""

from __future__ import annotations

from pathlib import Path

from stitchline_collector.settings import reference

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_settings_is_the_programs_own() -> None:
    table = (DOCS / "configuration.md").read_text().partition("<!-- settings -->\n")[2]
    assert table.partition("<!-- /settings -->")[0] == reference(), "run tools/write_configuration.py"


def test_every_decision_is_listed() -> None:
    listed = (DOCS / "decisions" / "README.md").read_text()
    assert [path.name for path in (DOCS / "decisions").glob("0*.md") if path.name not in listed] == []
