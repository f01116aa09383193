"""Two answers to one question, then and now: the rows that are different.

Enters: two answers in JSONCompact with the same columns. Leaves: rows with the values of both. Guaranteed: rows belong together by all
that is no number in them; where several have the same words, by their order.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

_NUMBERS = ("UInt", "Int", "Float", "Decimal")
_NOTHING = "-"


def between(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two answers.

    Args:
        then: parsed JSONCompact.
        now: the same.

    Returns:
        `meta`, the columns; `statistics`, the seconds of both; `same`, how many rows are alike; and `changes`, a `then` and a `now` for each
        other row, either of which may be None.
    """
    numbers = [_is_number(column["type"]) for column in now["meta"]]
    before, after = (_by_words(answer["data"], numbers) for answer in (then, now))
    keys = [*after, *(key for key in before if key not in after)]
    pairs = [(before.get(key), after.get(key)) for key in keys]
    different = [{"then": one, "now": other} for one, other in pairs if one != other]
    elapsed = sum(one["statistics"]["elapsed"] for one in (then, now))
    same = len(pairs) - len(different)
    return {"meta": now["meta"], "statistics": {"elapsed": elapsed}, "same": same, "changes": different}


def in_words(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same as an answer to be shown: `then → now` in each cell that is different."""
    rows = [_joined(one["then"], one["now"]) for one in found["changes"]]
    meta = [{"name": column["name"], "type": "String"} for column in found["meta"]]
    return {"meta": meta, "data": rows, "statistics": found["statistics"]}


def _joined(then: Sequence[Any] | None, now: Sequence[Any] | None) -> list[Any]:
    width = len(then or now or ())
    pairs = zip(then or [None] * width, now or [None] * width, strict=True)
    return [_cell(one) if one == other else f"{_cell(one)} → {_cell(other)}" for one, other in pairs]


def _cell(value: Any) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, float):
        value = round(value, 4)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _by_words(rows: Sequence[Sequence[Any]], numbers: Sequence[bool]) -> dict[tuple[str, int], Sequence[Any]]:
    seen: dict[str, int] = defaultdict(int)
    found = {}
    for row in rows:
        words = json.dumps([value for value, number in zip(row, numbers, strict=True) if not number])
        found[words, seen[words]] = row
        seen[words] += 1
    return found


def _is_number(kind: str) -> bool:
    return kind.removeprefix("Nullable(").startswith(_NUMBERS)
