"""A whole world in files: events in the order in which they arrive, and the truth beside them.

Enters: how many people, a seed, a folder. Leaves: `events-NNNNN.jsonl.zst`, `truth-NNNNN.jsonl.zst` and `simulation.json`.
Guaranteed: the same people and seed give the same bytes, anywhere; memory does not grow with the number of people.

A line of events is one native batch with `received_at`, as `stitchline import` reads it. A line of truth is one event:
`event_id`, `person` (a number, or null for somebody who is nowhere else), `stratum`, `solvable`; each event once, in the order in which
events arrive first. What a stratum is and what solvable means: `judge`.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from .judge import Verdict
from .neighbourhood import PEOPLE, Judged, simulate
from .parameters import Behaviour
from .runs import Runs

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BEGINNING = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
EVENTS_OF_A_FILE = 1_000_000
_TAB = b"\t"
_encode = msgspec.json.Encoder().encode

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


class Truth(msgspec.Struct, frozen=True, gc=False):
    """One line of truth."""

    event_id: str
    person: int | None
    stratum: str
    solvable: bool


class Summary(msgspec.Struct, kw_only=True):
    """What `simulation.json` holds."""

    people: int
    seed: int
    beginning: str
    behaviour: dict[str, Any]
    batches: int = 0
    events: int = 0
    repeated_events: int = 0
    solvable_events: int = 0
    strata: dict[str, int] = msgspec.field(default_factory=dict)
    files: int = 0


class NotEmpty(ValueError):
    """The folder holds something already."""


def write(
    people: int,
    seed: int,
    folder: Path,
    behaviour: Behaviour,
    progress: Progress = lambda _what, _done, _of: None,
    events_of_a_file: int = EVENTS_OF_A_FILE,
) -> Summary:
    """Simulate a world into a folder.

    Args:
        people: how many, from 1.
        seed: any number.
        folder: made if it is not there; must be empty.
        behaviour: the numbers.
        progress: told how far it is.
        events_of_a_file: events after which the next file begins.

    Returns:
        What was written.

    Raises:
        NotEmpty: the folder holds something already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise NotEmpty(f"{folder} is not empty: choose another folder, or remove what is in it")
    temporary = folder / ".runs"
    temporary.mkdir()
    values = {row.name: row.value for row in behaviour.rows()}
    summary = Summary(people=people, seed=seed, beginning=BEGINNING.isoformat(), behaviour=values)
    try:
        runs = Runs(temporary)
        for done, lines in _neighbourhoods(people, seed, behaviour, summary):
            runs.add(lines)
            progress("simulating", done, people)
        _write_files(runs.merged(), folder, summary, events_of_a_file, progress)
    finally:
        shutil.rmtree(temporary)
    (folder / "simulation.json").write_bytes(msgspec.json.format(_encode(summary), indent=2) + b"\n")
    return summary


def _neighbourhoods(
    people: int, seed: int, behaviour: Behaviour, summary: Summary
) -> Iterator[tuple[int, list[bytes]]]:
    """One after the other: how many people are done, and the lines to be sorted."""
    epoch_ms = int(BEGINNING.timestamp()) * 1000
    strata: Counter[str] = Counter()
    for number, first in enumerate(range(0, people, PEOPLE)):
        size = min(PEOPLE, people - first)
        lines = []
        for place, judged in enumerate(simulate(seed, number, size, behaviour, epoch_ms)):
            lines.append(_line(judged, number, place))
            strata.update(verdict.stratum.value for verdict in judged.verdicts)
            _count(judged, summary)
        summary.strata = dict(sorted(strata.items()))
        yield first + size, lines


def _count(judged: Judged, summary: Summary) -> None:
    summary.batches += 1
    summary.events += len(judged.verdicts)
    summary.solvable_events += sum(verdict.solvable for verdict in judged.verdicts)
    if not judged.verdicts:
        summary.repeated_events += len(judged.delivery.batch["events"])


def _line(judged: Judged, neighbourhood: int, place: int) -> bytes:
    """A line that sorts by arrival: time, place, batch, truths; JSON holds no tab and no line end."""
    delivery = judged.delivery
    key = b"%014d %07d %07d" % (delivery.received_ms, neighbourhood, place)
    truths = (
        _encode(_truth(happening.event_id, verdict))
        for happening, verdict in zip(delivery.first, judged.verdicts, strict=True)
    )
    return _TAB.join((key, _encode(delivery.batch), *truths)) + b"\n"


def _truth(event_id: str, verdict: Verdict) -> Truth:
    return Truth(event_id, verdict.person, verdict.stratum.value, verdict.solvable)


def _write_files(
    lines: Iterator[bytes], folder: Path, summary: Summary, events_of_a_file: int, progress: Progress
) -> None:
    with ExitStack() as files:
        events, truth = _open(files, folder, summary)
        written = total = 0
        for count, line in enumerate(lines, 1):
            _, batch, *truths = line.rstrip(b"\n").split(_TAB)
            if written >= events_of_a_file:
                files.close()
                events, truth = _open(files, folder, summary)
                written = 0
            events.write(batch + b"\n")
            truth.writelines(one + b"\n" for one in truths)
            written += len(truths)
            total += len(truths)
            if count % 1000 == 0:
                progress("sorting", total, summary.events)
    progress("sorting", summary.events, summary.events)


def _open(files: ExitStack, folder: Path, summary: Summary) -> tuple[zstd.ZstdFile, zstd.ZstdFile]:
    number = summary.files
    summary.files += 1
    opened = [
        files.enter_context(zstd.open(folder / f"{kind}-{number:05d}.jsonl.zst", "wb", level=3))
        for kind in ("events", "truth")
    ]
    return opened[0], opened[1]
