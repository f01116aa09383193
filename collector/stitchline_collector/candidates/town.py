"""A simulated world put on networks: rows for ClickHouse, and the truth about its devices.

Enters: a folder that `stitchline simulate` wrote. Leaves: rows of `events_raw`, and whose each device is. Guaranteed: the events of that
world, each once, with the same ids, devices and times; made again from `simulation.json`, because its files tell neither households nor
networks. The same folder gives the same rows.

A device is somebody's, or a household's, if they did at least four fifths of what was done on it; the computer in a library is
nobody's.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from ..simulate import Behaviour, Summary
from ..simulate.happening import Happening
from ..simulate.neighbourhood import PEOPLE, simulate
from ..simulate.people import household
from .networks import Networks, Shares

COLUMNS = (
    "event_id type name occurred_at device_time seq identifiers linked channel session_id device received_at ip"
).split()
_MOSTLY = 0.8
_ONE_PLACE = {"locale": "de-DE", "timezone": "Europe/Berlin"}


class Owners(msgspec.Struct, frozen=True):
    """Whose a device is; None for nobody's."""

    person: int | None
    home: int | None


class Town:
    """A world on networks.

    Args:
        folder: of the simulation.
        shares: how it is connected.

    Raises:
        FileNotFoundError: the folder holds no simulation.
    """

    def __init__(self, folder: Path, shares: Shares | None = None) -> None:
        summary = msgspec.json.decode((folder / "simulation.json").read_bytes(), type=Summary)
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in summary.behaviour.items()}  # fmt: skip
        self.people = summary.people
        self._behaviour = Behaviour(**values)
        self._seed = summary.seed
        self._epoch_ms = int(dt.datetime.fromisoformat(summary.beginning).timestamp() * 1000)
        self._homes = dict(self._people())
        rng = Random(f"networks {summary.seed}")  # noqa: S311 -- chance, not a secret
        shares = shares or Shares()
        self._networks = Networks(rng, self._homes, self._behaviour.days, shares)
        self._place = _ONE_PLACE if shares.one_place else {}
        self._done_by: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def rows(self) -> Iterator[list[Any]]:
        """Every event that a device sends, as `COLUMNS` of `events_raw`."""
        for number, first in enumerate(range(0, self.people, PEOPLE)):
            size = min(PEOPLE, self.people - first)
            for judged in simulate(self._seed, number, size, self._behaviour, self._epoch_ms):
                for happening in judged.delivery.first:
                    if happening.installation is not None:
                        yield self._row(happening, judged.delivery.received_ms)

    def owners(self) -> dict[str, Owners]:
        """Whose the devices are, by `device:id`; after all rows were taken."""
        return {f"device:{device}": self._owners(done_by) for device, done_by in self._done_by.items()}

    def _people(self) -> Iterator[tuple[int, int]]:
        """Each person and their household, by numbers: the first thing a neighbourhood is made of."""
        home = 0
        for number, first in enumerate(range(0, self.people, PEOPLE)):
            rng = Random(f"stitchline {self._seed} {number}")  # noqa: S311 -- as the simulation does
            end = min(first + PEOPLE, self.people)
            while first < end:
                members = household(rng, self._behaviour, first, end - first).people
                yield from ((person.number, home) for person in members)
                first += len(members)  # noqa: PLW2901 -- counts people, while `for` counts neighbourhoods
                home += 1

    def _row(self, happening: Happening, received_ms: int) -> list[Any]:
        installation, person = happening.installation, happening.person
        assert installation is not None  # noqa: S101 -- asked before
        machine = installation.machine
        self._done_by[installation.id][-1 if person is None else person.number] += 1
        at_ms = self._epoch_ms + happening.at_ms
        return [
            happening.event_id,
            happening.type,
            happening.name,
            _moment(at_ms),
            _moment(at_ms + machine.offset_ms),
            happening.seq,
            happening.identifiers,
            happening.linked,
            happening.channel,
            happening.session,
            {"id": installation.id, **machine.device, **self._place},
            _moment(received_ms),
            self._networks.of(person, machine, happening.at_ms),
        ]

    def _owners(self, done_by: Counter[int]) -> Owners:
        homes: Counter[int] = Counter()
        for person, events in done_by.items():
            homes[self._homes.get(person, -1)] += events
        return Owners(_most(done_by), _most(homes))


def _most(counts: Counter[int]) -> int | None:
    """What makes up most of the counts; None if nothing does, or nobody known."""
    ((value, count),) = counts.most_common(1)
    return value if value >= 0 and count >= _MOSTLY * counts.total() else None


def _moment(since_1970_ms: int) -> str:
    return f"{since_1970_ms // 1000}.{since_1970_ms % 1000:03d}"
