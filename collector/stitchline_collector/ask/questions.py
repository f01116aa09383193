"""The named queries of `clickhouse/queries`, and what their headers say.

Enters: a name. Leaves: the query with its parameters and columns. Guaranteed: a header that cannot be read is an error at
once, not at the first question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ..sql_files import files

_FIELDS = ("parameters", "returns", "reads")
# A comma outside brackets separates: DateTime64(3, 'UTC') is one type.
_COMMA = re.compile(r",\s*(?![^()]*\))")


@dataclass(frozen=True)
class Question:
    """One named query.

    Attributes:
        name: as its file is named.
        about: one sentence.
        parameters: ClickHouse type by name.
        returns: ClickHouse type by column, in order.
        reads: tables, views and dictionaries.
        sql: the statement, with `{name:Type}` placeholders.
    """

    name: str
    about: str
    parameters: dict[str, str]
    returns: dict[str, str]
    reads: tuple[str, ...]
    sql: str


@cache
def questions() -> dict[str, Question]:
    """Read all named queries.

    Returns:
        Questions by name.

    Raises:
        ValueError: a file's header is not name, one sentence, parameters, returns, reads.
    """
    found = [_read(file.stem, file.read_text(encoding="utf-8")) for file in files("queries")]
    return {question.name: question for question in found}


def _read(stem: str, text: str) -> Question:
    header = [line[3:] for line in text.splitlines()[:5]]
    if not all(line.startswith("-- ") for line in text.splitlines()[:5]) or header[0] != f"name: {stem}":
        raise ValueError(
            f"queries/{stem}.sql: begin with `-- name: {stem}`, a sentence, parameters, returns, reads"
        )
    values = []
    for line, field in zip(header[2:], _FIELDS, strict=True):
        label, _, value = line.partition(": ")
        if label != field:
            raise ValueError(f"queries/{stem}.sql: `-- {field}:` belongs where `{line}` stands")
        values.append([part for part in _COMMA.split(value) if part not in ("", "none")])
    parameters, returns, reads = values
    return Question(
        stem,
        header[1],
        dict(part.split(" ", 1) for part in parameters),
        dict(part.split(" ", 1) for part in returns),
        tuple(reads),
        text,
    )
