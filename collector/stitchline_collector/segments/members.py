"""Asking who is in a segment.

Enters: a reader and a segment. Leaves: sizes, members, or an export. Guaranteed: only who has agreed to the segment's purpose is
exported; SQL of a segment's own is read by ClickHouse first, and can only read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..cluster import select_of
from ..engine import Reader
from ..journeys.conditions import quoted
from .definition import Segment
from .statements import COLUMNS, statement


class Question(NamedTuple):
    """A statement and the values of its parameters."""

    sql: str
    parameters: dict[str, Any]


def question(
    reader: Reader,
    segment: Segment,
    now: dt.datetime,
    *,
    namespaces: Sequence[str] | None = None,
    among: bool = False,
) -> Question:
    """Return what asks for a segment's members.

    Args:
        reader: reads the view that it is made from.
        segment: whose.
        now: "within 7 days" counts back from it.
        namespaces: as for `statements.statement`.
        among: as there.

    Raises:
        EngineError: ClickHouse is away, or the segment's own SQL is not a SELECT that may be run.
    """
    if segment.sql:
        segment = replace(segment, sql=reader.read(segment.sql)[0])
    journey_events = select_of("journey_events", reader.query, reader.database)
    sql = statement(segment, reader.database, journey_events, namespaces=namespaces, among=among)
    return Question(sql, {"now": now})


def sizes(reader: Reader, segment: Segment, now: dt.datetime) -> dict[str, Any]:
    """Tell how many are in a segment, and how many of them have agreed.

    Raises:
        EngineError: as for `question`.
    """
    asked = question(reader, segment, now)
    people, agreed = reader.query(
        f"SELECT count(), countIf(agreed) FROM ({asked.sql})",  # noqa: S608 (our own statement)
        asked.parameters,
    )[0]
    return {
        "name": segment.name,
        "about": segment.about,
        "people": people,
        "agreed": agreed,
        "consent": segment.consent,
    }


def members(reader: Reader, segment: Segment, now: dt.datetime, limit: int) -> list[dict[str, Any]]:
    """Tell a segment's members, who was seen last first.

    Args:
        reader: as for `question`.
        segment: whose.
        now: as for `question`.
        limit: so many at most.

    Raises:
        EngineError: as for `question`.
    """
    asked = question(reader, segment, now)
    rows = reader.query(
        f"SELECT toString(person_id) AS person, {COLUMNS} FROM ({asked.sql}) "  # noqa: S608 (our own statement)
        "ORDER BY last_seen DESC, person_id LIMIT {limit:UInt32}",
        {**asked.parameters, "limit": limit},
    )
    return [
        {"person_id": row.pop("person"), **{name: row[name] for name in row if name != "person_id"}}
        for row in rows.dicts()
    ]


def export(reader: Reader, segment: Segment, now: dt.datetime, namespaces: Sequence[str], fmt: str) -> bytes:
    """Return a segment's members who have agreed, with their identifiers.

    Args:
        reader: as for `question`.
        segment: whose.
        now: as for `question`.
        namespaces: a column of each; several values of one person are a list, in CSV and TSV joined by `|`.
        fmt: any of ClickHouse's output formats.

    Raises:
        EngineError: as for `question`, or ClickHouse does not know the format.
    """
    asked = question(reader, segment, now, namespaces=namespaces)
    is_flat = fmt.lower().startswith(("csv", "tsv", "tabseparated"))
    columns = "".join(f", {_column(namespace, is_flat=is_flat)}" for namespace in namespaces)
    channels = "arrayStringConcat(channels, '|') AS channels" if is_flat else "channels"
    sql = (
        f"SELECT toString(person_id) AS person_id, stage, devices, {channels}, last_seen{columns} "  # noqa: S608 (quoted)
        f"FROM ({asked.sql}) AS members WHERE agreed ORDER BY members.person_id"
    )
    # Not `raw`: it would read our own statement as if it were a stranger's.
    return b"".join(reader.stream(sql, fmt, {"now": f"{now.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]}))


def _column(namespace: str, *, is_flat: bool) -> str:
    values = f"arrayMap(one -> one.2, arrayFilter(one -> one.1 = {quoted(namespace)}, identifiers))"
    told = f"arrayStringConcat({values}, '|')" if is_flat else values
    return f"{told} AS `{namespace}`"
