"""Every table of the database, and which of its rows tell of somebody.

One list for two verbs: `erase` empties these places, `export` reads them. A new table goes either into `PLACES` or, with the reason
why it tells of nobody, into `IMPERSONAL`: a test compares both with the tables there are.

Conditions look people up in two tables that exist only in memory while an erasure or export runs. So no statement holds a person's
identifiers: ClickHouse keeps the text of each mutation on disk.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "subject_"
NODES_TABLE = "subject_nodes"
EVENTS_TABLE = "subject_events"
FAILURES_TABLE = "subject_failures"
KEPT_TABLE = "subject_kept"
WORKING = {
    NODES_TABLE: "node UInt64, namespace String, value String",
    EVENTS_TABLE: "day UInt32, device_id String, device_time DateTime64(3, 'UTC'), event_id UUID",
    FAILURES_TABLE: "failure_id UUID",
    KEPT_TABLE: "event_id UUID, day UInt32, device_id String",
}
"""In memory, and only for as long as it takes."""

_NODES = f"(SELECT node FROM {NODES_TABLE})"
_DEVICES = f"(SELECT value FROM {NODES_TABLE} WHERE namespace = 'device')"
# A device that withdraws by itself leaves the record that it did, and by which its person's events are found on that day.
_NOT_KEPT = f" AND event_id NOT IN (SELECT event_id FROM {KEPT_TABLE})"
_NOT_KEPT_DAY = f" AND (day, device_id) NOT IN (SELECT day, device_id FROM {KEPT_TABLE})"
_EVENTS = f"(SELECT day, device_id, device_time, event_id FROM {EVENTS_TABLE})"


def _named_in(column: str) -> str:
    """Whether a map of identifiers names somebody."""
    return f"arrayExists((name, value) -> sipHash64(name, '\\0', value) IN {_NODES}, mapKeys({column}), mapValues({column}))"


def _without(column: str) -> str:
    """A map of identifiers without somebody's."""
    return f"mapFilter((name, value) -> sipHash64(name, '\\0', value) NOT IN {_NODES}, {column})"


class Place(NamedTuple):
    """Some rows of a table.

    Attributes:
        name: in receipts and exports.
        table: where.
        condition: which rows tell of somebody.
        change: assignments that make them tell of somebody else only; empty where the rows go.
        why: what it is, for who reads a receipt.
    """

    name: str
    table: str
    condition: str
    change: str = ""
    why: str = ""


PLACES = (
    # By their sorting key, so that copies of an event that wait for a merge go too.
    Place(
        "events",
        "events_raw",
        f"((toYYYYMMDD(device_time), device.id, device_time, event_id) IN {_EVENTS} "
        f"OR device_node IN {_NODES} OR person_node IN {_NODES}){_NOT_KEPT}",
        why="what they did",
    ),
    Place(
        "failed_events",
        "failed_events_raw",
        f"failure_id IN (SELECT failure_id FROM {FAILURES_TABLE})",
        why="rejected events whose raw bytes name them",
    ),
    Place(
        "mentions",
        "events_raw",
        f"({_named_in('identifiers')} OR {_named_in('linked')}) "
        f"AND person_node NOT IN {_NODES} AND device_node NOT IN {_NODES}",
        change=f"identifiers = {_without('identifiers')}, linked = {_without('linked')}",
        why="their identifiers in what others did; those events stay without them",
    ),
    Place(
        "visits",
        "identity_visits",
        f"(node IN {_NODES} OR device_id IN {_DEVICES}){_NOT_KEPT_DAY}",
        why="where and when they were seen",
    ),
    Place(
        "activation_inbox",
        "activation_inbox",
        f"event_id IN (SELECT event_id FROM {EVENTS_TABLE}) OR device_id IN {_DEVICES}",
        why="their events that webhooks were not decided by yet",
    ),
    Place(
        "withdrawals_inbox",
        "withdrawals_inbox",
        f"device_id IN {_DEVICES} OR {_named_in('identifiers')}",
        why="withdrawals of theirs that were not looked at yet",
    ),
    Place(
        "identity_inbox",
        "identity_inbox",
        f"device_node IN {_NODES} OR device IN {_DEVICES} OR {_named_in('identifiers')} OR {_named_in('linked')}",
        why="evidence not read yet",
    ),
    Place(
        "evidence",
        "identity_edges",
        f"node IN {_NODES} OR neighbour IN {_NODES}",
        why="what was seen together",
    ),
    Place("names", "identity_nodes", f"node IN {_NODES}", why="their identifiers"),
    Place(
        "quarantine",
        "identity_quarantine_raw",
        f"node IN {_NODES} OR neighbour IN {_NODES}",
        why="evidence that was refused",
    ),
    Place(
        "unlinks",
        "identity_unlinks",
        f"node IN {_NODES} OR neighbour IN {_NODES}",
        why="an operator's word that somebody else is not them",
    ),
    Place(
        "claims",
        "identity_claims",
        f"node IN {_NODES} OR device_node IN {_NODES}",
        why="who used a device in a session",
    ),
    Place(
        "sessions",
        "identity_sessions",
        f"device_node IN {_NODES} OR hasAny(owners, (SELECT groupArray(node) FROM {NODES_TABLE}))",
        why="their sessions on shared devices",
    ),
    Place("members", "identity_members", f"person_id IN {_NODES} OR node IN {_NODES}", why="who they are"),
    Place(
        "log",
        "identity_log",
        f"node IN {_NODES} OR person_id IN {_NODES}",
        why="who they were thought to be, and when",
    ),
    Place(
        "log_of_others",
        "identity_log",
        f"previous_person_id IN {_NODES} AND node NOT IN {_NODES} AND person_id NOT IN {_NODES}",
        change="previous_person_id = node",
        why="that a shared device or contact was taken for theirs once",
    ),
    Place(
        "candidates",
        "identity_candidate_pairs",
        f"device_low IN {_NODES} OR device_high IN {_NODES}",
        why="devices that may be theirs",
    ),
    Place(
        "candidate_devices",
        "identity_candidate_devices",
        f"device_node IN {_NODES}",
        why="the same, while it is being found out",
    ),
    Place("states", "activation_states", f"node IN {_NODES}", why="which segments they were in"),
    Place("told", "activation_told", f"node IN {_NODES}", why="which webhooks were told of them"),
)
"""In the order in which they are emptied: events first, because whose they are is told by the rest."""

IMPERSONAL = {
    "migrations": "names of migrations",
    "identity_folds": "a moment",
    "identity_lease": "which process stitches",
    "identity_rules": "settings; blocked values name nobody",
    "identity_candidate_levels": "how often features are seen, of all devices together",
    "identity_candidate_patterns": "the same",
    "identity_candidate_models": "the same",
    "contact_keys": "by what the keys of contacts are known again",
    "contact_generations": "how often the key of contacts was changed",
    "suppressions": "keyed hashes of who was erased, so that they stay so",
    "journey_definitions": "the text of journey.toml",
}
"""Tables that tell of nobody, and why."""


def tables() -> list[str]:
    """The tables that tell of people."""
    return list(dict.fromkeys(place.table for place in PLACES))


def proof(place: Place, nodes: list[int], devices: list[str]) -> str:
    """A question whose answer is 0 when nothing of somebody is left in a place; empty where only their events could tell.

    Args:
        place: where.
        nodes: theirs.
        devices: ids of theirs.
    """
    numbers = f"({', '.join(map(str, nodes)) or 0})"
    quoted = ", ".join("'" + device.replace("\\", "\\\\").replace("'", "\\'") + "'" for device in devices)
    condition = place.condition.replace(
        f"(toYYYYMMDD(device_time), device.id, device_time, event_id) IN {_EVENTS} OR ", ""
    )
    condition = condition.replace(_NOT_KEPT, "").replace(_NOT_KEPT_DAY, "")
    condition = condition.replace(f"event_id IN (SELECT event_id FROM {EVENTS_TABLE}) OR ", "")
    condition = condition.replace(_DEVICES, f"({quoted or repr('')})").replace(_NODES, numbers)
    condition = condition.replace(f"(SELECT groupArray(node) FROM {NODES_TABLE})", f"[{numbers[1:-1]}]")
    return "" if PREFIX in condition else f"SELECT count() FROM {place.table} WHERE {condition}"
