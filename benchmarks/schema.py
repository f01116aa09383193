"""Which sorting key, codecs and types `events_raw` should have: measured on made-up events.

    python -m benchmarks.schema                     # every group, 1 M events, about five minutes on two cores
    python -m benchmarks.schema keys --events 2000000 --json benchmarks/results/schema.json

In: nothing but the migration itself: each contender is its text with one thing changed. Out: tables, and JSON when
asked. Contenders are asked in turn, several times over, and the median counts: compare the ratios, not the times.
Every contender holds merged history and, as in life, a fresh day in many small parts.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks import schema_data
from stitchline_collector import sql_files
from stitchline_collector.engine import Engine

if TYPE_CHECKING:
    from stitchline_collector.engine import Session

COLUMNS = (
    "event_id type name occurred_at device_time seq identifiers linked channel stage session_id page campaign consent "
    "properties device sent_at received_at source sdk ip geo agent clock"
).split()
FRESH_PARTS = 20
BODY_ROWS = 50_000


@dataclass(frozen=True)
class Contender:
    """One way to write the table.

    Attributes:
        name: as the tables print it.
        changes: (pattern, replacement) on the migration's text, in order; a pattern that is not found is an error.
    """

    name: str
    changes: tuple[tuple[str, str], ...] = ()

    def ddl(self, table: str) -> str:
        """Return the statement that makes the table."""
        text = (sql_files.folder("migrations") / "0001_events.sql").read_text(encoding="utf-8")
        statement = text.split(";\n")[0].replace("${database}.events_raw", table)
        for pattern, replacement in self.changes:
            statement, found = re.subn(pattern, replacement, statement, flags=re.DOTALL)
            if not found:
                raise ValueError(f"{self.name}: {pattern!r} is not in the migration any more")
        return statement


def key(order: str, partition: str | None = None) -> tuple[tuple[str, str], ...]:
    """Return the changes to another sorting key, and another partition."""
    changes = [(r"ORDER BY \(.*?\)\n", f"ORDER BY ({order})\n")]
    if partition:
        changes.append((r"PARTITION BY .*?\n", f"PARTITION BY {partition}\n"))
    return tuple(changes)


def column(name: str, definition: str) -> tuple[str, str]:
    """Return the change of one column's type and codec."""
    return (rf"\n    {name} (?!MATERIALIZED)[^\n]*?,(?= --|\n)", f"\n    {name} {definition},")


MONTH = "toYYYYMM(device_time)"
GROUPS: dict[str, list[Contender]] = {
    "keys": [
        Contender("device", key("device.id, device_time, event_id")),
        Contender("day, device", key("toDate(device_time), device.id, device_time, event_id")),
        Contender("hour, device", key("toStartOfHour(device_time), device.id, device_time, event_id")),
        Contender("day, name, device", key("toDate(device_time), name, device.id, device_time, event_id")),
        Contender("name, day, device", key("name, toDate(device_time), device.id, device_time, event_id")),
    ],
}

QUERIES = {
    "timeline of a person": """
        WITH (SELECT (groupUniqArray(device_node), groupUniqArrayIf(person_node, person_node != 0)) FROM {t}
              WHERE ip = (SELECT ip FROM {t} WHERE identifiers['user'] != '' ORDER BY event_id LIMIT 1)) AS nodes
        SELECT 1""",
}
