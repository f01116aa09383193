"""The SELECT that says who is in a segment.

Enters: a `Segment`, and the SELECT of `journey_events`. Leaves: a SELECT with the columns of `COLUMNS` and the parameter `now`.
Guaranteed: nothing of the file is in it but what was quoted anew or compiled; its own `sql` must be read by ClickHouse first.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..journeys.conditions import compiled, quoted
from .definition import Between, Deed, Segment

COLUMNS = "person_id, stage, devices, channels, last_seen, agreed"
_IN_ORDER = "(occurred_at, seq, UUIDToNum(event_id))"
_PERSON = "dictGetOrDefault('identity_recent', 'person_id', {0}, dictGetOrDefault('identity_base', 'person_id', {0}, {0}))"
# The places of some people's events, as the sorting key has them: their days on their devices.
_AMONG = (
    " AND (toYYYYMMDD(device_time), device_id) IN (SELECT identity_whereabouts.day, identity_whereabouts.device_id"
    " FROM identity_whereabouts WHERE node IN {nodes:Array(UInt64)}) AND person_id IN {persons:Array(UInt64)}"
)


def statement(
    segment: Segment,
    database: str,
    journey_events: str,
    *,
    namespaces: Sequence[str] | None = None,
    among: bool = False,
) -> str:
    """Return the SELECT of a segment's members.

    Args:
        segment: its `sql`, if it has one, as ClickHouse has spelt it.
        database: ours, a checked name.
        journey_events: the SELECT behind that view, as ClickHouse tells it.
        namespaces: adds a column `identifiers`, a map of each of these to the person's values.
        among: only of the persons {persons:Array(UInt64)}, whose nodes are {nodes:Array(UInt64)}.

    Raises:
        ValueError: that SELECT is not of the form that this was written for.
    """
    source = f" FROM {database}.events_raw FINAL"
    if journey_events.count(source) != 1:
        raise ValueError("journey_events does not read events_raw as expected")
    # In the innermost SELECT, so that a condition on `properties.total` reads that path and not all properties.
    fits = "".join(
        f", {_fits(deed)} AS deed_{place}" for place, deed in enumerate((*segment.did, *segment.did_not))
    )
    told = "" if namespaces is None else ", named AS identifiers"
    named = "" if namespaces is None else f", {_identifiers(namespaces)} AS named"
    # Every text in it is quoted.
    people = (
        f"SELECT person_id, toString(argMaxIf(journey_stage, {_IN_ORDER}, journey_stage != '')) AS stage_now, "  # noqa: S608
        "uniqExactIf(device_node, device_node != 0) AS device_count, "
        "arraySort(groupUniqArrayIf(toString(channel), channel != '')) AS channel_names, max(occurred_at) AS seen, "
        f"{agreed(segment.consent)} AS yes{named} FROM ({journey_events.replace(source, fits + source)}) "
        f"WHERE person_id != 0{_AMONG if among else ''} GROUP BY person_id HAVING {_having(segment)}"
    )
    return (
        "SELECT person_id, stage_now AS stage, device_count AS devices, channel_names AS channels, "  # noqa: S608
        f"seen AS last_seen, yes AS agreed{told} FROM ({people})"
    )


def agreed(purpose: str) -> str:
    """Whether a person's last word on a purpose is yes, over their events; nothing said is no."""
    return f"argMaxIf(consent[{quoted(purpose)}], {_IN_ORDER}, mapContains(consent, {quoted(purpose)}))"


def person_of(node: str) -> str:
    """The person of a node as of now, as an expression over another."""
    return _PERSON.format(node)


def _fits(deed: Deed) -> str:
    event = f"name = {quoted(deed.event)}" if deed.event else "1"
    return f"({event} AND {compiled(deed.when)})" if deed.when else f"({event})"


def _having(segment: Segment) -> str:
    if segment.sql:
        return f"person_id IN (SELECT person_id FROM ({segment.sql}))"  # noqa: S608 (read by ClickHouse before)
    parts = [*_between("device_count", segment.devices), *_between("length(channel_names)", segment.channels)]
    if segment.stages:
        parts.append(f"stage_now IN ({', '.join(map(quoted, segment.stages))})")
    for place, deed in enumerate((*segment.did, *segment.did_not)):
        since = f" AND occurred_at >= {{now:DateTime64(3, 'UTC')}} - toIntervalSecond({deed.within_s})"
        times = f"countIf(deed_{place}{since if deed.within_s else ''})"
        parts.append(f"{times} >= {deed.at_least}" if place < len(segment.did) else f"{times} = 0")
    return " AND ".join(parts) or "1"


def _between(counted: str, between: Between) -> list[str]:
    least = [f"{counted} >= {between.at_least}"] if between.at_least else []
    return least + ([] if between.at_most is None else [f"{counted} <= {between.at_most}"])


def _identifiers(namespaces: Sequence[str]) -> str:
    """What the person's events name them by: not what they name beside, whose person is another or nobody."""
    listed = ", ".join(map(quoted, namespaces))
    pairs = (
        "arrayConcat(CAST(identifiers, 'Array(Tuple(String, String))'), CAST(linked, 'Array(Tuple(String, String))'), "
        "if(device_id = '', [], [('device', device_id)]))"
    )
    wanted = f"arrayFilter(one -> one.1 IN ({listed}), {pairs})" if namespaces else f"arrayResize({pairs}, 0)"
    node = "sipHash64(one.1, '\\0', one.2)"
    return f"arraySort(arrayFilter(one -> {person_of(node)} = person_id, groupUniqArrayArray({wanted})))"
