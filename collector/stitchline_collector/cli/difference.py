"""What changed for one person since a past moment, as a table."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_SIGNS = {"came": ("+", "green"), "left": ("-", "red"), "arrived": ("*", "cyan")}
_MEANINGS = {
    "came": ("event is theirs now and was not then", "events are theirs now and were not then"),
    "left": ("event was theirs then and is not now", "events were theirs then and are not now"),
    "arrived": ("event arrived since then", "events arrived since then"),
}


def compare(answer: dict[str, Any], asked: str, as_of: str) -> RenderableType:
    """Draw the answer of `/v1/journey` with `diff`.

    Args:
        answer: with `changes` and the persons of then and now.
        asked: the identifier that was asked for.
        as_of: the moment that was asked for.
    """
    changes = answer["changes"]
    parts: list[RenderableType] = [Text(f"{asked}: {as_of} and now", style="bold")]
    if answer["person_id_then"] != answer["person_id_now"]:
        parts.append(
            Text(
                f"person {_person(answer['person_id_then'])} then, {_person(answer['person_id_now'])} now",
                style="dim",
            )
        )
    if not changes:
        return Group(*parts, Text("no event has changed hands, and none has arrived since"))
    parts += [Text(), _table(changes), Text()]
    for change, (sign, style) in _SIGNS.items():
        count = sum(1 for one in changes if one["change"] == change)
        if count:
            parts.append(Text.assemble((f"{sign} ", style), f"{count:,} {_MEANINGS[change][count != 1]}"))
    return Group(*parts)


def _table(changes: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False, expand=True)
    table.add_column("", no_wrap=True, width=1)
    table.add_column("UTC", no_wrap=True, style="dim", width=15)
    table.add_column("device", no_wrap=True, max_width=16)
    table.add_column("event", overflow="ellipsis", no_wrap=True, ratio=2, min_width=10)
    table.add_column("whose then", overflow="ellipsis", no_wrap=True, ratio=2, min_width=10)
    table.add_column("whose now", overflow="ellipsis", no_wrap=True, ratio=2, min_width=10)
    for one in changes:
        sign, style = _SIGNS[one["change"]]
        at = dt.datetime.fromisoformat(one["occurred_at"]).strftime("%d %b %H:%M:%S")
        device, name = one["device"]["id"] or "-", one["name"] or one["type"]
        table.add_row(
            Text(sign, style=style), *map(Text, (at, device, name, _whose(one["then"]), _whose(one["now"])))
        )
    return table


def _whose(person: dict[str, Any] | None) -> str:
    if person is None:
        return "not arrived"
    if person["found_by"] == "nobody":
        return "nobody's session"
    return person["named_by"] or _person(person["person_id"])


def _person(person_id: str) -> str:
    return "nobody" if person_id == "0" else person_id
