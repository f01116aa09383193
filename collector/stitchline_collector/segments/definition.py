"""What a segment's file may say, read and checked.

Enters: a folder. Leaves: `Segment`s. Guaranteed: an error names file and line, and what belongs there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..journeys.conditions import ConditionError, compiled
from ..journeys.lines import Lines, seconds, toml

DEFAULT_PURPOSE = "marketing"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEYS = ("about", "consent", "stage", "devices", "channels", "did", "did_not", "sql")
_DEEDS = ("did", "did_not")
_TEXTS = ("event", "when", "within")
_LIMITS = ("at_least", "at_most")


class SegmentError(ValueError):
    """A segment cannot be read; the message begins with the line, or with file and line."""


@dataclass(frozen=True)
class Between:
    """A number of things; `at_most` None is any number."""

    at_least: int = 0
    at_most: int | None = None


@dataclass(frozen=True)
class Deed:
    """Something that a person did, or did not do.

    Attributes:
        event: the name of the event; empty for any.
        when: a condition on the event; empty for none.
        within_s: seconds up to now; 0 for ever.
        at_least: how often.
    """

    event: str
    when: str
    within_s: int
    at_least: int = 1


@dataclass(frozen=True)
class Segment:
    """A named set of people: all of its conditions hold for them, or its SQL names them.

    Attributes:
        name: the file's, without its ending.
        about: one sentence.
        consent: the purpose that people must have agreed to, to be exported or told of.
        stages: one of which they are in now; empty for any.
        devices: on how many they were seen.
        channels: on how many they were seen.
        did, did_not: what they did, and did not do.
        sql: a SELECT of `person_id` instead of all conditions; empty for none.
        text: the file's.
    """

    name: str
    about: str = ""
    consent: str = DEFAULT_PURPOSE
    stages: tuple[str, ...] = ()
    devices: Between = Between()
    channels: Between = Between()
    did: tuple[Deed, ...] = ()
    did_not: tuple[Deed, ...] = ()
    sql: str = ""
    text: str = ""


def segments_in(folder: str) -> dict[str, Segment]:
    """Read all segments of a folder.

    Args:
        folder: its path; empty for none.

    Returns:
        Segments by name.

    Raises:
        SegmentError: one cannot be read, or the folder; the message names file and line.
    """
    if not folder:
        return {}
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise SegmentError(f"{folder}: is no folder with segments, files as in examples/segments")
    found = {}
    for file in sorted(path.glob("*.toml")):
        try:
            found[file.stem] = read(file.stem, file.read_text(encoding="utf-8"))
        except OSError as error:
            raise SegmentError(f"{file}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise SegmentError(f"{file}: {error}") from None
    return found


def read(name: str, text: str) -> Segment:
    """Read one segment.

    Args:
        name: of the segment.
        text: of its file.

    Raises:
        SegmentError: with the line that is wrong.
    """
    if not _NAME.fullmatch(name):
        raise SegmentError("line 1: a segment is named as its file: of letters, digits, - and _")
    try:
        said = toml(text)
    except ValueError as error:
        raise SegmentError(str(error)) from None
    return _File(text, said).segment(name)


class _File:
    """One file while it is read."""

    def __init__(self, text: str, said: dict[str, Any]) -> None:
        self._text = text
        self._said = said
        self._lines = {table: Lines(text, table) for table in _DEEDS}

    def segment(self, name: str) -> Segment:
        for key in self._said:
            if key not in _KEYS:
                self._fail(key, f"{key!r} is unknown: a segment takes {', '.join(_KEYS)}")
        conditions = set(self._said) - {"about", "consent", "sql"}
        if "sql" in self._said and conditions:
            self._fail("sql", f"sql: stands for all conditions, so leave out {', '.join(sorted(conditions))}")
        if "sql" not in self._said and not conditions:
            self._fail("", "a segment has a condition (stage, devices, channels, did, did_not) or sql")
        consent = self._one_text("consent", DEFAULT_PURPOSE)
        if not consent:
            self._fail("consent", "consent: the purpose that people must have agreed to")
        return Segment(
            name,
            self._one_text("about", ""),
            consent,
            self._stages(),
            self._between("devices"),
            self._between("channels"),
            self._deeds("did"),
            self._deeds("did_not"),
            self._one_text("sql", "").strip().rstrip(";"),
            self._text,
        )

    def _fail(self, key: str, what: str, table: str = "did", place: int | None = None) -> None:
        raise SegmentError(f"line {self._lines[table].of(key, place)}: {what}")

    def _one_text(self, key: str, default: str) -> str:
        value = self._said.get(key, default)
        if not isinstance(value, str) or (key == "sql" and key in self._said and not value.strip()):
            self._fail(key, f"{key}: is a text")
        return str(value)

    def _stages(self) -> tuple[str, ...]:
        value = self._said.get("stage", [])
        stages = [value] if isinstance(value, str) else value
        if not isinstance(stages, list) or not all(isinstance(one, str) and one for one in stages):
            self._fail("stage", "stage: a stage, or a list of them")
        if "stage" in self._said and not stages:
            self._fail("stage", "stage: at least one stage, or leave it out")
        return tuple(stages)

    def _between(self, key: str) -> Between:
        value = self._said.get(key, {})
        if (
            not isinstance(value, dict)
            or (key in self._said and not value)
            or not set(value) <= set(_LIMITS)
            or not all(type(one) is int and one >= 0 for one in value.values())
        ):
            self._fail(key, f"{key}: numbers, as in {key}.at_least = 2, {key}.at_most = 5, or one of the two")
        between = Between(value.get("at_least", 0), value.get("at_most"))
        if between.at_most is not None and between.at_most < between.at_least:
            self._fail(key, f"{key}: at_most is less than at_least")
        return between

    def _deeds(self, table: str) -> tuple[Deed, ...]:
        deeds = self._said.get(table, [])
        if not isinstance(deeds, list) or not all(isinstance(one, dict) for one in deeds):
            self._fail(table, f"{table}: write each as a table [[{table}]]")
        return tuple(self._deed(table, place, deed) for place, deed in enumerate(deeds))

    def _deed(self, table: str, place: int, deed: dict[str, Any]) -> Deed:
        known = (*_TEXTS, "at_least") if table == "did" else _TEXTS
        for key, value in deed.items():
            if key not in known:
                self._fail(key, f"{key}: [[{table}]] takes {', '.join(known)}", table, place)
            elif key in _TEXTS and not isinstance(value, str):
                self._fail(key, f"{key}: is a text", table, place)
        at_least = deed.get("at_least", 1)
        if type(at_least) is not int or at_least < 1:
            self._fail("at_least", "at_least: a number from 1", table, place)
        event, when, within = (deed.get(key, "") for key in _TEXTS)
        if not (event or when):
            self._fail("event", f"[[{table}]] has an event, a condition `when`, or both", table, place)
        within_s = seconds(within)
        if within and not within_s:
            self._fail("within", f"within: a time as in `7 days`, not {within!r}", table, place)
        try:
            if when:
                compiled(when)
        except ConditionError as error:
            self._fail("when", f"when: {error}", table, place)
        return Deed(event, when, within_s, at_least)
