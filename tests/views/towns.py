"""Small towns that hypothesis makes, full of ties, loops and repeats, and the same events as Python sees them.

Each example lies in an hour of its own, so that many share one database: a question is asked with `since` and `until`.
"""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from stitchline_collector.ask.views import asked
from tests.stitch.stories import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stitchline_collector.engine import Engine

_FIRST = dt.datetime(2022, 1, 3, tzinfo=dt.UTC)
_hours = itertools.count()
# A milestone that leaves every event in the stage it says, or in none.
MILESTONE = """
[[milestones]]
name = "won"
stage = "purchase"
when = "name in ('A', 'D') and stage != ''"
"""


@dataclass(frozen=True)
class Happened:
    """One event of a town."""

    person: int
    device: int
    at_s: int
    seq: int
    made: int
    name: str
    stage: str
    channel: str
    device_type: str = "phone"
    session: str = ""
    source: str = ""
    campaign: str = ""
    content: str = ""
    country: str = ""
    offer: str = ""
    url: str = ""
    signed_in: bool = True

    @property
    def address(self) -> str:
        """The page without what a visitor brings along."""
        return self.url.partition("#")[0].partition("?")[0]

    @property
    def order(self) -> tuple[int, int, int]:
        """What comes first: time, then the device's counter, then when the event was made."""
        return self.at_s, self.seq, self.made


@st.composite
def towns(draw: st.DrawFn, people: int = 10, events: int = 80, moments: int = 8) -> list[Happened]:
    """A few people with two devices each, and few moments and counters, so that many events tie."""
    number = draw(st.integers(0, events))
    made = draw(st.permutations(range(number)))
    one = st.builds(
        Happened,
        person=st.integers(0, people - 1),
        device=st.integers(0, 1),
        at_s=st.integers(0, moments - 1).map(lambda moment: moment * 10),
        seq=st.integers(0, 2),
        made=st.just(0),
        name=st.sampled_from("ABCDE"),
        stage=st.sampled_from(["", "awareness", "consideration", "purchase", "onboarding"]),
        channel=st.sampled_from(["web", "app", "store", ""]),
        device_type=st.sampled_from(["phone", "desktop", ""]),
        session=st.sampled_from(["", "s-1"]),
        source=st.sampled_from(["", "newsletter", "search"]),
        campaign=st.sampled_from(["", "spring", "autumn"]),
        content=st.sampled_from(["", "banner", "film"]),
        country=st.sampled_from(["", "GB", "DE"]),
        offer=st.sampled_from(["", "", "gold", "silver"]),
        url=st.sampled_from(
            [
                "",
                "https://s.example/a",
                "https://s.example/a?b=1",
                "https://s.example/b#c",
                "https://s.example/b#c?d",
            ]
        ),
    )
    happened = draw(st.lists(one, min_size=number, max_size=number))
    return [replace(event, made=place) for event, place in zip(happened, made, strict=True)]


@dataclass(frozen=True)
class Town:
    """A town that is in the database."""

    engine: Engine
    start: dt.datetime

    def ask(self, view: str, **given: str) -> list[tuple[Any, ...]]:
        """The rows of a view over this town's hour."""
        reader = self.engine.reader()
        try:
            hour = {
                "since": self.start.isoformat(),
                "until": (self.start + dt.timedelta(hours=1)).isoformat(),
            }
            return list(reader.query(*asked(view, hour | given)))
        finally:
            reader.close()


def settle(engine: Engine, happened: Iterable[Happened]) -> Town:
    """Insert a town's events into an hour that nobody has used."""
    hour = next(_hours)
    start = _FIRST + dt.timedelta(hours=hour)
    rows = [_row(event, start, hour) for event in happened]
    if rows:
        load(engine, rows)
    return Town(engine, start)


def journeys(happened: Iterable[Happened], *, stitched: bool) -> dict[Any, list[Happened]]:
    """The events of each person, or of each device, in order."""
    found: dict[Any, list[Happened]] = {}
    for event in sorted(happened, key=lambda event: event.order):
        found.setdefault(event.person if stitched else (event.person, event.device), []).append(event)
    return found


def is_called(event: Happened, word: str) -> bool:
    """Whether the word is an event's name, or the milestone that it reaches."""
    return event.name == word or (word == "won" and event.name in "AD" and event.stage != "")


def quantile(values: Sequence[float], level: float) -> float:
    """As ClickHouse's quantileExact takes it: one of the values."""
    return sorted(values)[min(int(level * len(values)), len(values) - 1)]


def _row(event: Happened, start: dt.datetime, hour: int) -> dict[str, Any]:
    at = start + dt.timedelta(seconds=event.at_s)
    return {
        "event_id": str(uuid.UUID(int=(hour << 32) + event.made)),
        "type": "track",
        "name": event.name,
        "occurred_at": at,
        "device_time": at,
        "seq": event.seq,
        "identifiers": {"user": f"{hour}-{event.person}"} if event.signed_in else {},
        "linked": {},
        "channel": event.channel,
        "stage": event.stage,
        "session_id": event.session,
        "page": {"url": event.url} if event.url else {},
        "campaign": {"source": event.source, "name": event.campaign, "content": event.content},
        "consent": {},
        "properties": {"offer": event.offer} if event.offer else {},
        "device": {"id": f"{hour}-{event.person}-{event.device}", "type": event.device_type},
        "sent_at": at,
        "received_at": at,
        "source": "test",
        "sdk": {},
        "ip": "",
        "geo": {"country": event.country},
        "agent": {},
        "clock": {},
        "by_server": False,
    }
