"""How long rows are kept, as ClickHouse's own TTL.

Enters: days by kind. Leaves: tables that drop their old rows as they merge, within some hours. Guaranteed: a table whose rule has not
changed is left alone, and one whose rule was taken back keeps its rows again.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .cluster import local
from .engine import Session

Days = Annotated[int, Meta(ge=0, le=36_500)]

# In the words in which ClickHouse shows them again. Devices' clocks say anything: what lies outside a DateTime would begin anew.
_HAPPENED = "toDateTime(least(greatest({0}, toDateTime64('1970-01-02 00:00:00', 3, 'UTC')), {1})) + toIntervalDay({2})"
_RULES = {
    "events_raw": ("events_days", _HAPPENED.format("occurred_at", "received_at", "{days}")),
    "identity_visits": (
        "events_days",
        _HAPPENED.format("last_seen", "toDateTime64('2105-12-31 00:00:00', 3, 'UTC')", "{days}"),
    ),
    "failed_events_raw": ("failed_events_days", "toDateTime(received_at) + toIntervalDay({days})"),
}


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days after which rows go; 0 is never.

    Attributes:
        events_days: since an event happened.
        failed_events_days: since a rejected event arrived.
    """

    events_days: Days = 0
    failed_events_days: Days = 0


def keep(session: Session, retention: Retention) -> list[str]:
    """Apply the rules on one server; returns the tables whose rule has changed.

    Raises:
        EngineError: ClickHouse refuses or is away.
    """
    changed = []
    for table, (setting, rule) in _RULES.items():
        days = getattr(retention, setting)
        wanted = f" TTL {rule.format(days=days)} " if days else ""
        found = session.query(
            "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() "
            "AND name IN {names:Array(String)} AND engine != 'Distributed'",
            {"names": [table, local(table)]},
        )
        if not found:  # the rows lie on another shard
            continue
        name, engine = found[0]
        if wanted and wanted not in f"{engine} ":
            session.command(f"ALTER TABLE {name} MODIFY{wanted}")
        elif not wanted and " TTL " in engine:
            session.command(f"ALTER TABLE {name} REMOVE TTL")
        else:
            continue
        changed.append(table)
    return changed
