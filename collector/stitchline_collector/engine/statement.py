"""Which statements a stranger may run.

In: SQL from outside, and the names of the engine's table functions. Out: the same statement in ClickHouse's own
canonical spelling, or a refusal that says what is not allowed.
Guaranteed: exactly one SELECT, SHOW, DESCRIBE, EXISTS or EXPLAIN that reads tables of the database and nothing else.

`readonly=1` alone does not give this: measured on ClickHouse 26.9, a read-only session still reads any file through
the *scalar* function `file()`, calls `url()` inside DESCRIBE, kills other queries and, embedded, writes files with
INTO OUTFILE. ClickHouse's parser (`formatQuery`) has already removed comments, resolved quoting and escapes, and
refused a second statement, so looking at tokens here cannot be fooled by spelling.
"""

from __future__ import annotations

import re

from stitchline_collector.engine.errors import QueryError

_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.|'')*'      # a string
    |`(?P<quoted>(?:[^`\\]|\\.|``)*)`
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |[0-9][0-9A-Za-z_.]*
    |\s+
    |.""",
    re.VERBOSE | re.DOTALL,
)
_MAY_BEGIN_WITH = {"SELECT", "WITH", "SHOW", "DESCRIBE", "EXISTS", "EXPLAIN", "("}
# Table functions that only compute, or read what the session may read anyway.
HARMLESS_TABLE_FUNCTIONS = frozenset(
    "numbers numbers_mt zeros zeros_mt primes generateseries generate_series values null view merge format sqlstandardvalues".split()
)
# Scalar functions that reach outside the database: files, and models behind somebody else's key.
_OUTSIDE_FUNCTION = re.compile(r"file|catboostevaluate|generateserialid|ai[a-z]+")
_SETTINGS = "SETTINGS"
_NOT_ALLOWED = 164  # ClickHouse's own READONLY


def check(canonical: str, table_functions: frozenset[str]) -> str:
    """Refuse a statement that does more than read the database.

    Args:
        canonical: one statement as `formatQuery` spells it.
        table_functions: names of this engine's table functions, lower case.

    Returns:
        The statement, unchanged.

    Raises:
        QueryError: with ClickHouse's code for "not in read-only mode" and what to do instead.
    """
    tokens = [_folded(match) for match in _TOKEN.finditer(canonical) if not match[0].isspace()]
    if not tokens or tokens[0].upper() not in _MAY_BEGIN_WITH:
        raise QueryError(
            "only SELECT, WITH, SHOW, DESCRIBE, EXISTS and EXPLAIN can be run here", _NOT_ALLOWED
        )
    for before, word, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if word == "into" and after == "outfile":
            raise QueryError("INTO OUTFILE is not allowed: read the answer's body instead", _NOT_ALLOWED)
        if word == _SETTINGS and after.isidentifier():
            raise QueryError(
                "SETTINGS is not allowed: a subquery could lift its limits with it", _NOT_ALLOWED
            )
        called = after == "(" or before == "apply"
        if called and _reaches_outside(word, table_functions):
            raise QueryError(
                f"{word}() is not allowed: only tables and views of the database can be read", _NOT_ALLOWED
            )
    return canonical


def _folded(match: re.Match[str]) -> str:
    if match[0] == _SETTINGS:
        return match[0]  # the keyword, always in capitals here; a column of that name keeps its own spelling
    quoted = match["quoted"]
    return (quoted if quoted is not None else match[0]).casefold()


def _reaches_outside(name: str, table_functions: frozenset[str]) -> bool:
    if _OUTSIDE_FUNCTION.fullmatch(name):
        return True
    return name in table_functions and name not in HARMLESS_TABLE_FUNCTIONS
