"""A simulated world as arrays: the truth of each event, and what each event says of itself.

Enters: a folder that `stitchline simulate` wrote. Leaves: an `AnswerKey`, some 30 bytes an event, and the events one by one for the
methods that are compared. Guaranteed: an event that was delivered twice counts once, as it came first; events are numbered
in the order of the truth files.
"""

from __future__ import annotations

import datetime as dt
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..simulate import Stratum, Truth

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOT_ANYWHERE = 0xFFFF_FFFF  # the person of a passer-by
STRATA = tuple(stratum.value for stratum in Stratum)
_DAY_MS = 86_400_000
_LOW_BITS = (1 << 64) - 1
_truth = msgspec.json.Decoder(Truth)


class NoWorld(ValueError):
    """The folder holds no simulation."""


class Said(NamedTuple):
    """An event, as far as it tells who did it.

    Attributes:
        number: of the event, in the order of the truth files.
        at_ms: when, the sender's clock corrected by when its batch was sent and received.
        device: id; empty for a server's.
    """

    number: int
    at_ms: int
    device: str
    type: str
    identifiers: dict[str, str]
    linked: dict[str, str]


class _Device(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    type: str = ""


class _Event(msgspec.Struct, gc=False):
    event_id: str
    type: str
    occurred_at: dt.datetime
    identifiers: dict[str, str] | None = None
    linked: dict[str, str] = {}


class _Batch(msgspec.Struct, gc=False):
    received_at: dt.datetime
    sent_at: dt.datetime
    events: list[_Event]
    device: _Device = _Device()
    identifiers: dict[str, str] = {}


_batch = msgspec.json.Decoder(_Batch)


class AnswerKey:
    """The truth about all events.

    Attributes:
        folder: where it was read from.
        people: true person by event number, or `NOT_ANYWHERE`.
        strata: index into `STRATA` by event number.
        solvable: 1 or 0 by event number.
        days: events by day of the device's clock, which a UUIDv7 holds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.people = array("I")
        self.strata = array("B")
        self.solvable = array("B")
        self.days: Counter[int] = Counter()
        ids = array("Q")
        index = {stratum: number for number, stratum in enumerate(STRATA)}
        for line in _lines(folder, "truth"):
            truth = _truth.decode(line)
            value = int(truth.event_id.replace("-", ""), 16)
            ids.append(value & _LOW_BITS)
            self.days[(value >> 80) // _DAY_MS] += 1
            self.people.append(NOT_ANYWHERE if truth.person is None else truth.person)
            self.strata.append(index[truth.stratum])
            self.solvable.append(truth.solvable)
        # The random half of a UUID is enough to tell events apart, and fits an array.
        self._numbers = array("I", sorted(range(len(ids)), key=ids.__getitem__))
        self._ids = array("Q", (ids[number] for number in self._numbers))

    def __len__(self) -> int:
        return len(self.people)

    def number(self, low_id: int) -> int:
        """The event whose id ends in these 64 bits; -1 if it is none of this world."""
        place = bisect_left(self._ids, low_id)
        found = place < len(self._ids) and self._ids[place] == low_id
        return self._numbers[place] if found else -1

    def events(self) -> Iterator[Said]:
        """What each event says, once."""
        seen = bytearray(len(self))
        for line in _lines(self.folder, "events"):
            batch = _batch.decode(line)
            behind = batch.received_at - batch.sent_at
            for event in batch.events:
                number = self.number(int(event.event_id.replace("-", ""), 16) & _LOW_BITS)
                if number < 0:
                    raise NoWorld(f"{self.folder}: the truth misses {event.event_id}: is a truth file gone?")
                if seen[number]:
                    continue
                seen[number] = 1
                identifiers = batch.identifiers if event.identifiers is None else event.identifiers
                at_ms = int((event.occurred_at + behind).timestamp() * 1000)
                yield Said(number, at_ms, batch.device.id, event.type, identifiers, event.linked)


def _lines(folder: Path, kind: str) -> Iterator[bytes]:
    paths = sorted(folder.glob(f"{kind}-*.jsonl.zst"))
    if not paths:
        raise NoWorld(
            f"{folder} holds no simulation: make one with `stitchline simulate --people 2000 --out {folder}`"
        )
    for path in paths:
        with zstd.open(path, "rb") as file:
            yield from file
