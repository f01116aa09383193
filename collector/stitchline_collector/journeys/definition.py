"""What a `journey.toml` may say, read and checked.

Enters: the text of a file. Leaves: a `Journey`. Guaranteed: an error names the line and what belongs there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .conditions import ConditionError, compiled
from .lines import Lines, seconds, toml

STAGES = ("awareness", "consideration", "purchase", "onboarding", "retention", "advocacy")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEYS = ("name", "stage", "event", "when", "within")


class JourneyError(ValueError):
    """A journey cannot be read; the message begins with the line."""


@dataclass(frozen=True)
class Milestone:
    """Something that must happen for a customer to get value.

    Attributes:
        name: as analysts ask for it.
        stage: where it puts the person.
        event: the name of the event; empty for any.
        when: a condition on the event; empty for none.
        within_s: seconds after the milestone before it in the file; 0 for no deadline.
    """

    name: str
    stage: str
    event: str
    when: str
    within_s: int


@dataclass(frozen=True)
class Journey:
    """Stages in order, milestones in order."""

    stages: tuple[str, ...] = STAGES
    milestones: tuple[Milestone, ...] = ()


def read(text: str) -> Journey:
    """Read a journey.

    Args:
        text: of a `journey.toml`; empty for the usual stages without milestones.

    Raises:
        JourneyError: with the line that is wrong.
    """
    try:
        said = toml(text)
    except ValueError as error:
        raise JourneyError(str(error)) from None
    lines = Lines(text, "milestones")
    for name in said:
        if name not in ("stages", "milestones"):
            raise JourneyError(
                f"line {lines.of(name)}: {name!r} is unknown: `stages` and [[milestones]] belong here"
            )
    stages = _stages(said.get("stages", list(STAGES)), lines)
    tables = said.get("milestones", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise JourneyError(f"line {lines.of('milestones')}: write each milestone as a table [[milestones]]")
    milestones: list[Milestone] = []
    for place, table in enumerate(tables):
        milestones.append(_milestone(table, place, stages, lines))
        if any(milestones[-1].name == other.name for other in milestones[:-1]):
            raise JourneyError(
                f"line {lines.of('name', place)}: a milestone {table['name']!r} stands above already"
            )
    return Journey(stages, tuple(milestones))


def _stages(said: Any, lines: Lines) -> tuple[str, ...]:
    line = lines.of("stages")
    if (
        not isinstance(said, list)
        or not said
        or not all(isinstance(one, str) and _NAME.fullmatch(one) for one in said)
    ):
        raise JourneyError(f"line {line}: stages: a list of names, each of letters, digits, - and _")
    if len(set(said)) < len(said):
        raise JourneyError(f"line {line}: stages: a stage stands there twice")
    return tuple(said)


def _milestone(table: dict[str, Any], place: int, stages: tuple[str, ...], lines: Lines) -> Milestone:
    for key, value in table.items():
        if key not in _KEYS or not isinstance(value, str):
            takes = f"takes {', '.join(_KEYS)}" if key not in _KEYS else "is a text"
            raise JourneyError(f"line {lines.of(key, place)}: {key}: a milestone {takes}")
    said = {key: str(table.get(key, "")) for key in _KEYS}
    if not _NAME.fullmatch(said["name"]):
        raise JourneyError(f"line {lines.of('name', place)}: name: of letters, digits, - and _")
    if said["stage"] not in stages:
        raise JourneyError(
            f"line {lines.of('stage', place)}: stage: one of {', '.join(stages)}, not {said['stage']!r}"
        )
    if not (said["event"] or said["when"]):
        raise JourneyError(
            f"line {lines.of('event', place)}: a milestone has an event, a condition `when`, or both"
        )
    try:
        if said["when"]:
            compiled(said["when"])
    except ConditionError as error:
        raise JourneyError(f"line {lines.of('when', place)}: when: {error}") from None
    return Milestone(
        said["name"], said["stage"], said["event"], said["when"], _within_s(said["within"], place, lines)
    )


def _within_s(text: str, place: int, lines: Lines) -> int:
    if not text:
        return 0
    within_s = seconds(text)
    if not within_s:
        raise JourneyError(f"line {lines.of('within', place)}: within: a time as in `3 days`, not {text!r}")
    if place == 0:
        raise JourneyError(
            f"line {lines.of('within', place)}: within: counts from the milestone before, and there is none"
        )
    return within_s
