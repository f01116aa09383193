"""Every file of `clickhouse/views`: its header, its placeholders and its answer say the same, and its defaults run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.ask.questions import views
from stitchline_collector.ask.views import Unknown, asked, listing
from stitchline_collector.sql_files import files

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

PLACEHOLDER = re.compile(r"\{(\w+):([^}]+)\}")
OF_NO_PERSONS = {"data_quality", "words_of"}
DOCS = Path(__file__).parents[2] / "docs" / "analysts.md"


def test_every_file_is_a_view_that_can_be_asked() -> None:
    assert [one["name"] for one in listing()] == [file.stem for file in files("views")]


@pytest.mark.parametrize("name", sorted(views()))
def test_a_header_names_exactly_the_placeholders(name: str) -> None:
    view = views()[name]
    assert dict(PLACEHOLDER.findall(view.sql)) == view.parameters
    assert view.about.endswith(".")
    assert ("stitched" in view.parameters) == (name not in OF_NO_PERSONS)


@pytest.mark.parametrize("name", sorted(views()))
def test_a_view_stands_in_the_documentation(name: str) -> None:
    text = DOCS.read_text()
    assert f"### {name}\n" in text
    assert f"stitchline query {name}" in text


def test_headers_tell_the_columns_that_come_and_the_tables_that_are_read(engine: Engine) -> None:
    reader = engine.reader()
    tables = {row[0] for row in reader.query("SHOW TABLES")}
    for view in views().values():
        statement, values = asked(view.name, {})
        assert {row[0]: row[1] for row in reader.query(f"DESCRIBE ({statement})", values)} == view.returns, (
            view.name
        )
        reader.raw(statement, "JSON", values)
        steps = set(re.findall(r"\b(\w+) AS\s*\(\s*SELECT", view.sql))
        named = set(re.findall(r"\b(?:FROM|(?<!ARRAY )JOIN) (\w+)", "\n".join(view.sql.splitlines()[5:])))
        assert named - steps == set(view.reads) <= tables, view.name
    reader.close()


def test_what_is_not_there_is_refused_with_what_is() -> None:
    with pytest.raises(Unknown, match=r"there is no query 'funel': there are .*funnel"):
        asked("funel", {})
    with pytest.raises(Unknown, match="no parameter 'step': it has by, steps"):
        asked("funnel", {"step": "A"})
