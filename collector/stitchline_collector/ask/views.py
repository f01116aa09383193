"""Running an analysts' view by its name, and listing them.

Enters: a name and parameters as text. Leaves: a SELECT with the values to bind, or the list. Guaranteed: what is not given has the
default of the view's header; nothing that was given is pasted into SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..journeys.past import PARAMETER, has_past, name_of
from .questions import Question, views


class Unknown(ValueError):
    """There is no such view, or it has no such parameter; the message says which there are."""


def listing() -> list[dict[str, Any]]:
    """Tell every view: name, one sentence, whether it has a past, its parameters with type and default, its columns with type."""
    return [
        {
            "name": view.name,
            "about": view.about,
            "has_past": has_past(view.name, view.sql),
            "parameters": [
                {"name": name, "type": kind, "default": view.defaults[name]}
                for name, kind in view.parameters.items()
            ],
            "returns": [{"name": name, "type": kind} for name, kind in view.returns.items()],
        }
        for view in views().values()
    ]


def asked(name: str, given: Mapping[str, str], as_of: str = "") -> tuple[str, dict[str, Any]]:
    """Return the statement that runs a view, and the values of its placeholders.

    Args:
        name: of the view.
        given: text by parameter; a list is written `a,b,c`.
        as_of: with the persons and events that were known at a moment, as ClickHouse reads one; empty for now.

    Raises:
        Unknown: the name, or a parameter; or it cannot be asked about a past moment.
    """
    view = views().get(name)
    if view is None:
        raise Unknown(f"there is no query {name!r}: there are {', '.join(sorted(views()))}")
    for parameter in given:
        if parameter not in view.parameters:
            raise Unknown(f"{name} has no parameter {parameter!r}: it has {', '.join(view.parameters)}")
    parameters, values = dict(view.parameters), _values(view, given)
    if as_of:
        if not has_past(name, view.sql):
            raise Unknown(f"{name} tells of now alone: it cannot be asked as of a past moment")
        name, parameters, values = (
            name_of(name),
            parameters | {PARAMETER: "String"},
            values | {PARAMETER: as_of},
        )
    arguments = ", ".join(f"{one} = {{{one}:{kind}}}" for one, kind in parameters.items())
    return f"SELECT * FROM {name}({arguments})", values  # noqa: S608 (names of our own files)


def _values(view: Question, given: Mapping[str, str]) -> dict[str, Any]:
    texts = view.defaults | dict(given)
    return {
        name: _listed(texts[name]) if kind.startswith("Array") else texts[name]
        for name, kind in view.parameters.items()
    }


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
