"""The conditions of milestones: a small language that becomes SQL.

Enters: text such as `channel = 'web' and properties.total >= 100`. Leaves: one SQL expression that is true or false, never NULL.
Guaranteed: the SQL holds nothing of the text but checked names, numbers, and texts that were quoted anew.

    either     = both { "or" both }
    both       = one { "and" one }
    one        = "not" one | "(" either ")" | comparison
    comparison = field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
               | field ["not"] "in" "(" value { "," value } ")"
               | field "contains" text | field "exists"
    field      = a column of FIELDS | "properties." path
    value      = text in '...' or "..." | number | "true" | "false"
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

FIELDS = frozenset(
    """type name channel stage session_id source
    page.url page.title page.referrer
    campaign.source campaign.medium campaign.name campaign.term campaign.content
    device.id device.type device.os device.os_version device.manufacturer device.model device.app_version device.locale
    device.timezone geo.country geo.region geo.city sdk.name sdk.version""".split()
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<number>-?\d+(?:\.\d+)?(?![\w.]))
    |(?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<sign><=|>=|!=|[=<>(),]))""",
    re.VERBOSE | re.ASCII,
)
_COMPARED = {"=", "!=", "<", "<=", ">", ">="}
_MOST_NESTED = 50


class ConditionError(ValueError):
    """A condition cannot be read; the message says where and what was expected."""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def compiled(condition: str) -> str:
    """Return a condition as SQL over the columns of `events_raw`.

    Args:
        condition: as above.

    Raises:
        ConditionError: it is not in this language, or names no known field.
    """
    return _Parser(condition).whole()


def quoted(text: str) -> str:
    """Return a text as a literal of ClickHouse's."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class _Parser:
    """Reads one condition from left to right, each rule of the grammar a method."""

    def __init__(self, condition: str) -> None:
        self._condition = condition
        self._tokens = _tokens(condition)
        self._place = 0
        self._depth = 0

    def whole(self) -> str:
        sql = self._either()
        if self._next.kind != "end":
            self._fail("`and`, `or` or the end")
        return sql

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _either(self) -> str:
        parts = [self._both()]
        while self._took("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _both(self) -> str:
        parts = [self._one()]
        while self._took("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _one(self) -> str:
        self._depth += 1
        if self._depth > _MOST_NESTED:
            self._fail("fewer brackets")
        if self._took("not"):
            sql = f"NOT ({self._one()})"
        elif self._took("("):
            sql = self._either()
            if not self._took(")"):
                self._fail("`)`")
        else:
            sql = self._comparison()
        self._depth -= 1
        return sql

    def _comparison(self) -> str:
        field = self._field()
        if self._took("exists"):
            return f"({_as_text(field)} != '')"
        if self._took("contains"):
            return f"(position({_as_text(field)}, {self._text()}) > 0)"
        negated = self._took("not")
        if self._took("in"):
            listed = " OR ".join(_compared(field, "=", value) for value in self._list())
            return f"NOT ({listed})" if negated else f"({listed})"
        if negated or self._next.text not in _COMPARED:
            self._fail("`in`" if negated else "a comparison: = != < <= > >= in contains exists")
        return _compared(field, self._take().text, self._value())

    def _field(self) -> str:
        token = self._next
        if token.kind != "word":
            self._fail("a column or properties.NAME")
        if token.text not in FIELDS and not token.text.startswith("properties."):
            self._fail("one of " + ", ".join(sorted(FIELDS)) + " or properties.NAME")
        return self._take().text

    def _list(self) -> list[_Token]:
        if not self._took("("):
            self._fail("`(`")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        if not self._took(")"):
            self._fail("`,` or `)`")
        return values

    def _value(self) -> _Token:
        if self._next.kind not in ("text", "number") and self._next.text.lower() not in ("true", "false"):
            self._fail("a 'text', a number, true or false")
        return self._take()

    def _text(self) -> str:
        if self._next.kind != "text":
            self._fail("a 'text'")
        return quoted(_unquoted(self._take().text))

    def _take(self) -> _Token:
        self._place += 1
        return self._tokens[self._place - 1]

    def _took(self, word: str) -> bool:
        found = self._next.kind in ("word", "sign") and self._next.text.lower() == word
        self._place += found
        return found

    def _fail(self, expected: str) -> NoReturn:
        token = self._next
        found = f"`{token.text}`" if token.text else "the end"
        raise ConditionError(
            f"character {token.at + 1} of `{self._condition}`: {found}, where {expected} is expected"
        )


def _tokens(condition: str) -> list[_Token]:
    tokens, at = [], 0
    bare = condition.rstrip()
    while at < len(bare):
        match = _TOKEN.match(bare, at)
        if match is None:
            left = bare[at:].lstrip()
            raise ConditionError(
                f"character {len(bare) - len(left) + 1} of `{condition}`: `{left[0]}` is not understood"
            )
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*tokens, _Token("end", "", len(bare))]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _as_text(field: str) -> str:
    if field.startswith("properties."):
        return f"ifNull(CAST({_path(field)}, 'Nullable(String)'), '')"
    return field


def _path(field: str) -> str:
    return ".".join(["properties", *(f"`{part}`" for part in field.split(".")[1:])])


def _compared(field: str, sign: str, value: _Token) -> str:
    """Compare as numbers where the value is one, else as texts; what is missing fits only `!=`."""
    if value.kind == "number":
        number = (
            f"accurateCastOrNull({_path(field) if field.startswith('properties.') else field}, 'Float64')"
        )
        return f"ifNull({number} {sign} {value.text}, {int(sign == '!=')})"
    text = _unquoted(value.text) if value.kind == "text" else value.text.lower()
    return f"({_as_text(field)} {sign} {quoted(text)})"
