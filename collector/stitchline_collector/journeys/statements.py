"""The statements that make a journey's views.

Enters: a `Journey` and the SELECT of `person_events_by_device`. Leaves: CREATE OR REPLACE statements.
Guaranteed: the rule of who did something is taken from that view, not written a second time; everything stays one level of
SELECT, so that a condition on `properties.total` reads that path and not all properties.
"""

from __future__ import annotations

from collections.abc import Sequence

from .conditions import compiled, quoted
from .definition import Journey, Milestone

_FLAT = (
    "campaign.source AS campaign_source, campaign.medium AS campaign_medium, campaign.name AS campaign_name, "
    "geo.country AS country, sdk.name AS sdk_name, sdk.version AS sdk_version"
)
# Arrays of one number are gathered and sorted in two thirds of the time that arrays of tuples take. 48 bits of time, 48 of seq, 128 of
# the id, and 32 that are free for what a question wants to know of the event.
_TURN = (
    "bitShiftLeft(toInt256(toUnixTimestamp64Milli(occurred_at)), 208) + "
    "bitShiftLeft(toInt256(least(seq, 281474976710655)), 160) + bitShiftLeft(toInt256(toUInt128(event_id)), 32) AS turn"
)
_LABELS = "Array(LowCardinality(String))"


def statements(database: str, journey: Journey, person_events: str) -> list[str]:
    """Return what makes `journey_stages`, `journey_milestones` and `journey_events`.

    Args:
        database: ours, a checked name.
        journey: the definitions.
        person_events: the SELECT behind `person_events_by_device`, as ClickHouse tells it.

    Raises:
        ValueError: that SELECT is not of the form that this was written for.
    """
    source = f" FROM {database}.events_raw FINAL"
    if person_events.count(source) != 1:
        raise ValueError("person_events_by_device does not read events_raw as expected")
    columns = _columns(journey)
    return [
        f"CREATE OR REPLACE VIEW {database}.journey_stages AS {_stages(journey)}",
        f"CREATE OR REPLACE VIEW {database}.journey_milestones AS {_defined(journey.milestones)}",
        f"CREATE OR REPLACE VIEW {database}.journey_events AS {person_events.replace(source, f', {columns}{source}')}",
    ]


def events_of_then(database: str, journey: Journey) -> str:
    """Return what makes `journey_events_asof`: the same columns, with the persons that were known at a moment."""
    then = f"{database}.person_events_asof_by_device(at = {{at:String}})"
    return (
        f"CREATE OR REPLACE VIEW {database}.journey_events_asof AS SELECT *, {_columns(journey)} FROM {then}"  # noqa: S608 (quoted)
    )


def _columns(journey: Journey) -> str:
    """What `journey_events` has beyond the columns of `person_events_by_device`."""
    return (
        f"{_derived_stage(journey)} AS derived_stage, "
        "CAST(if(stage != '', stage, derived_stage), 'LowCardinality(String)') AS journey_stage, "
        f"{_milestones(journey.milestones)} AS milestones, {_FLAT}, {_TURN}"
    )


def fits(milestone: Milestone) -> str:
    """Whether an event reaches a milestone, as SQL."""
    event = f"name = {quoted(milestone.event)}" if milestone.event else "1"
    return f"({event} AND {compiled(milestone.when)})" if milestone.when else f"({event})"


def _derived_stage(journey: Journey) -> str:
    """The furthest stage among the milestones that an event reaches."""
    furthest = sorted(journey.milestones, key=lambda one: -journey.stages.index(one.stage))
    branches = "".join(f"{fits(one)}, {quoted(one.stage)}, " for one in furthest)
    expression = f"multiIf({branches}'')" if branches else "''"
    return f"CAST({expression}, 'LowCardinality(String)')"


def _milestones(milestones: Sequence[Milestone]) -> str:
    each = ", ".join(f"if({fits(one)}, {quoted(one.name)}, '')" for one in milestones)
    return f"CAST(arrayFilter(one -> one != '', [{each}]), '{_LABELS}')" if each else f"CAST([], '{_LABELS}')"


def _stages(journey: Journey) -> str:
    names = ", ".join(quoted(stage) for stage in journey.stages)
    return f"SELECT toUInt16(number + 1) AS position, [{names}][position] AS stage FROM numbers({len(journey.stages)})"  # noqa: S608 (quoted)


def _defined(milestones: Sequence[Milestone]) -> str:
    def listed(of: Sequence[str]) -> str:
        return f"CAST([{', '.join(map(quoted, of))}], 'Array(String)')"

    deadlines = ", ".join(str(one.within_s) for one in milestones)
    return (  # every text in it is quoted
        f"SELECT toUInt16(number + 1) AS position, {listed([one.name for one in milestones])}[position] AS milestone, "  # noqa: S608
        f"{listed([one.stage for one in milestones])}[position] AS stage, "
        f"{listed([one.event for one in milestones])}[position] AS event, "
        f"{listed([one.when for one in milestones])}[position] AS condition, "
        f"CAST([{deadlines}], 'Array(UInt32)')[position] AS within_s FROM numbers({len(milestones)})"
    )
