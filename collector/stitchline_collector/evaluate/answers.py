"""What a collector or a database answers: the person of each event of a world.

Enters: a way to ask ClickHouse. Leaves: labels by event number. Guaranteed: asked in slices of days, so that neither the answer nor
the limits of a collector are the bound; an event that is not there is counted as missing, never guessed.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .answer_key import AnswerKey
from .metrics import NOBODY

EVENTS_OF_A_SLICE = 200_000
_DAY_MS = 86_400_000
_FIRST_MS, _LAST_MS = -(1 << 40), 1 << 43  # wide enough for any clock, narrow enough for ClickHouse

# A UUID's second half, which is what the key knows events by.
_PERSONS = """
SELECT toUInt64(bitAnd(toUInt128(event_id), 18446744073709551615)) AS low_id, toUInt64(person_id) AS person_id
FROM person_events
WHERE device_time >= fromUnixTimestamp64Milli({from_ms}, 'UTC') AND device_time < fromUnixTimestamp64Milli({to_ms}, 'UTC')
"""

Ask = Callable[[str], bytes]
"""Runs one SELECT and returns its rows as RowBinary."""


class Answers(NamedTuple):
    """An answer.

    Attributes:
        labels: by event number; `NOBODY` for an event that belongs to nobody, or is missing.
        missing: events that the database does not have.
        foreign: events it has that are none of this world.
    """

    labels: array[int]
    missing: int
    foreign: int


def read(key: AnswerKey, ask: Ask, progress: Callable[[int], None] = lambda _done: None) -> Answers:
    """Ask for all events of a world.

    Args:
        key: the world.
        ask: how.
        progress: told how many events are read.
    """
    labels = array("I", bytes(4 * len(key)))
    found = bytearray(len(key))
    numbers: dict[int, int] = {0: NOBODY}
    done = foreign = 0
    for from_ms, to_ms in _slices(key):
        row = array("Q", ask(_PERSONS.format(from_ms=from_ms, to_ms=to_ms)))
        if sys.byteorder == "big":  # RowBinary is little-endian
            row.byteswap()
        for low_id, person in zip(row[::2], row[1::2], strict=True):
            number = key.number(low_id)
            if number < 0:
                foreign += 1
                continue
            found[number] = 1
            labels[number] = numbers.setdefault(person, len(numbers))
        done += len(row) // 2
        progress(done)
    return Answers(labels, found.count(0), foreign)


def _slices(key: AnswerKey) -> Iterator[tuple[int, int]]:
    """Stretches of time with so many events each; the first and the last are open."""
    from_ms, events = _FIRST_MS, 0
    for day in sorted(key.days):
        if events and events + key.days[day] > EVENTS_OF_A_SLICE:
            yield from_ms, day * _DAY_MS
            from_ms, events = day * _DAY_MS, 0
        events += key.days[day]
    yield from_ms, _LAST_MS
