"""Every file of `clickhouse/queries`: its header, its placeholders and its answer say the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.ask.questions import _read, questions
from stitchline_collector.sql_files import files

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

PLACEHOLDER = re.compile(r"\{(\w+):([^}]+)\}")
EXAMPLES = {
    "String": "x",
    "UInt64": 1,
    "UInt32": 1,
    "Array(UInt64)": [1],
    "Array(UInt32)": [20261122],
    "Array(String)": ["x"],
    "Array(UUID)": ["00000000-0000-0000-0000-000000000001"],
    "DateTime64(3, 'UTC')": "2026-11-22 10:00:00.000",
    "DateTime64(6, 'UTC')": "2026-11-22 10:00:00.000000",
    "Array(DateTime64(3, 'UTC'))": ["2026-11-22 10:00:00.000"],
}


def test_every_file_is_a_question() -> None:
    assert sorted(questions()) == [file.stem for file in files("queries")]


@pytest.mark.parametrize("name", sorted(questions()))
def test_a_header_names_exactly_the_placeholders(name: str) -> None:
    question = questions()[name]
    assert dict(PLACEHOLDER.findall(question.sql)) == question.parameters
    assert question.about.endswith(".")


def test_headers_tell_the_columns_that_come_and_the_tables_that_are_read(engine: Engine) -> None:
    reader = engine.reader()
    for question in questions().values():
        values = {name: EXAMPLES[kind] for name, kind in question.parameters.items()}
        described = reader.query(f"DESCRIBE ({question.sql})", values)
        assert {row[0]: row[1] for row in described} == question.returns, question.name
        known = {row[0] for row in reader.query("SHOW TABLES")} | {
            row[0] for row in reader.query("SHOW DICTIONARIES")
        }
        assert set(question.reads) <= known
        named = set(re.findall(r"\b(?:FROM|JOIN) (\w+)|'(identity_\w+)'", question.sql))
        assert {one or other for one, other in named} == set(question.reads), question.name
    reader.close()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "-- name: other\n-- A.\n-- parameters: none\n-- returns: x UInt8\n-- reads: none\nSELECT 1 AS x",
        "-- name: this\n-- A.\n-- returns: x UInt8\n-- parameters: none\n-- reads: none\nSELECT 1 AS x",
    ],
)
def test_a_wrong_header_is_an_error_that_names_the_file(text: str) -> None:
    with pytest.raises(ValueError, match=r"queries/this\.sql"):
        _read("this", text)
