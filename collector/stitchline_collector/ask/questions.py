"""The named queries of `clickhouse/queries` and the analysts' views of `clickhouse/views`, and what their headers say.

Both have the same header. A view's parameters have defaults too, `steps Array(String) = []`, because ClickHouse's parameterised
views have none of their own.

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
        defaults: text by name, for an analysts' view.
        returns: ClickHouse type by column, in order.
        reads: tables, views and dictionaries.
        sql: the statement, with `{name:Type}` placeholders.
    """

    name: str
    about: str
    parameters: dict[str, str]
    defaults: dict[str, str]
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
    return _all("queries")


@cache
def views() -> dict[str, Question]:
    """Read all views for analysts.

    Returns:
        Questions by name.

    Raises:
        ValueError: as for `questions`, or a parameter has no default.
    """
    found = _all("views")
    for question in found.values():
        if question.defaults.keys() != question.parameters.keys():
            raise ValueError(
                f"views/{question.name}.sql: give every parameter a default, `NAME TYPE = DEFAULT`"
            )
    return found


def _all(folder: str) -> dict[str, Question]:
    found = [_read(file.stem, file.read_text(encoding="utf-8"), folder) for file in files(folder)]
    return {question.name: question for question in found}


def _read(stem: str, text: str, folder: str = "queries") -> Question:
    header = [line[3:] for line in text.splitlines()[:5]]
    if not all(line.startswith("-- ") for line in text.splitlines()[:5]) or header[0] != f"name: {stem}":
        raise ValueError(
            f"{folder}/{stem}.sql: begin with `-- name: {stem}`, a sentence, parameters, returns, reads"
        )
    values = []
    for line, field in zip(header[2:], _FIELDS, strict=True):
        label, _, value = line.partition(": ")
        if label != field:
            raise ValueError(f"{folder}/{stem}.sql: `-- {field}:` belongs where `{line}` stands")
        values.append([part for part in _COMMA.split(value) if part not in ("", "none")])
    parameters, returns, reads = values
    typed = dict(part.split(" ", 1) for part in parameters)
    return Question(
        stem,
        header[1],
        {name: kind.partition(" = ")[0] for name, kind in typed.items()},
        {name: kind.partition(" = ")[2] for name, kind in typed.items() if " = " in kind},
        dict(part.split(" ", 1) for part in returns),
        tuple(reads),
        text,
    )
