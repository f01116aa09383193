"""Short ways to say what happened, and the rows that the loader would write for it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from backports import zstd

from stitchline_collector.rows import EVENT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stitchline_collector.engine import Engine, Session

START = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)


def event(
    minute: float,
    device: str = "",
    *,
    type: str = "track",  # noqa: A002 (the protocol's word)
    name: str = "product_viewed",
    device_type: str = "phone",
    linked: dict[str, str] | None = None,
    channel: str = "app",
    stage: str = "",
    session: str = "",
    by_server: bool = False,
    **identifiers: str,
) -> dict[str, Any]:
    """What happened so many minutes after the start."""
    at = START + dt.timedelta(minutes=minute)
    return {
        "event_id": str(uuid.uuid4()),
        "type": type,
        "name": name,
        "occurred_at": at,
        "device_time": at,
        "seq": int(minute * 60),
        "identifiers": identifiers,
        "linked": linked or {},
        "channel": channel,
        "stage": stage,
        "session_id": session,
        "page": {},
        "campaign": {},
        "consent": {},
        "properties": {},
        "device": {"id": device, "type": device_type} if device else {},
        "sent_at": at,
        "received_at": at,
        "source": "test",
        "sdk": {},
        "ip": "",
        "geo": {},
        "agent": {},
        "clock": {},
        "by_server": by_server,
    }


def load(engine: Engine, events: Iterable[dict[str, Any]], token: str = "", *, waits: bool = True) -> None:
    """Insert as the loader does; or, on a cluster, without waiting until each shard has its rows."""
    session = engine.session()
    rows = [[happened[column] for column in EVENT_COLUMNS] for happened in events]
    body = zstd.compress(msgspec.json.Encoder().encode_lines(rows))
    session.insert_body(
        "events_raw",
        EVENT_COLUMNS,
        body,
        "JSONCompactEachRow",
        "zstd",
        {
            "date_time_input_format": "best_effort",
            "deduplicate_blocks_in_dependent_materialized_views": 1,
            "insert_deduplication_token": token or uuid.uuid4().hex,
            **({} if waits else {"distributed_foreground_insert": 0}),
        },
    )
    session.close()


def node(session: Session, namespace: str, value: str) -> int:
    """The node of an identifier."""
    rows = session.query("SELECT sipHash64({n:String}, '\\0', {v:String})", {"n": namespace, "v": value})
    return int(rows[0][0])


def groups(engine: Engine) -> set[frozenset[str]]:
    """The identifiers of each person, as `namespace:value`, for those that have evidence; nobody's are alone."""
    session = engine.session()
    rows = session.query(
        "SELECT groupArray(concat(namespace, ':', value)) FROM identifiers GROUP BY if(person_id = 0, node, person_id)"
    )
    session.close()
    return {frozenset(row[0]) for row in rows}


def state(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All that stitching has written, without the moments at which it did."""
    session = engine.session()
    queries = {
        "map": "SELECT node, person_id FROM identity_map WHERE person_id != node ORDER BY ALL",
        "looked_up": "SELECT node, person_id FROM identifiers ORDER BY ALL",
        "quarantine": "SELECT node, neighbour, kind, namespace, neighbour_namespace, rule FROM identity_quarantine ORDER BY ALL",
        "edges": "SELECT node, neighbour, kind, any(namespace), any(neighbour_namespace), max(is_place), min(first_seen),"
        " max(last_seen), min(known_at), length(groupUniqArrayArray(64)(sessions))"
        " FROM identity_edges GROUP BY node, neighbour, kind ORDER BY ALL",
        "unlinks": "SELECT node, neighbour, max(unlinked_at), max(relinked_at) FROM identity_unlinks GROUP BY ALL ORDER BY ALL",
        "claims": "SELECT device_node, session_node, kind, node, moment, min(at) FROM identity_claims GROUP BY ALL ORDER BY ALL",
        "owners": "SELECT session_node, toString(argMax(starts, known_from)), toString(argMax(owners, known_from))"
        " FROM identity_sessions WHERE device_node IN (SELECT node FROM identity_map WHERE person_id = 0)"
        " GROUP BY session_node ORDER BY ALL",
        "events": "SELECT event_id, person_id, deciding_node, found_by FROM person_events ORDER BY ALL",
        "nodes": "SELECT node, any(namespace), any(value), min(first_seen) FROM identity_nodes GROUP BY node ORDER BY ALL",
        # A member that left may stay written down; one that is there must be.
        "members": "SELECT DISTINCT m.person_id, m.node FROM identity_members AS m"
        " INNER JOIN identity_map AS i ON m.node = i.node AND m.person_id = i.person_id ORDER BY ALL",
    }
    found = {name: list(session.query(sql)) for name, sql in queries.items()}
    session.close()
    return found
