"""Which words there are, for each kind of thing, against the events that were loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stitchline_collector.ask.views import asked
from stitchline_collector.engine import EngineError
from tests.clickhouse.lines import event
from tests.stitch.stories import load

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

EVENTS = [
    event(1, channel="app", stage="trial", device={"id": "a", "type": "phone"}, geo={"country": "DE"}),
    event(2, channel="app", name="", type="identify", device={"id": "a", "type": "phone"}, geo={}),
    event(
        3, channel="wbe", device={"id": "b", "type": "tv"}, campaign={"source": "search", "name": "spring"}
    ),
    event(
        3, channel="wbe", device={"id": "b", "type": "tv"}, campaign={"source": "search", "name": "spring"}
    ),
    event(
        4, channel="", name="", type="page", device={}, campaign={"source": "social"}, geo={"country": "AT"}
    ),
]
STAGES = ["advocacy", "awareness", "consideration", "onboarding", "purchase", "retention"]
WORDS = {
    "channel": ["app", "wbe"],
    "device": ["phone", "tv"],
    "source": ["search", "social"],
    "campaign": ["spring"],
    "country": ["AT", "DE"],
    "stage": sorted([*STAGES, "trial"]),
    "event": ["identify", "page", "product_viewed"],
}


def words(engine: Engine, kind: str) -> list[str]:
    reader = engine.reader()
    try:
        return [word for (word,) in reader.query(*asked("words_of", {"kind": kind}))]
    finally:
        reader.close()


def test_each_word_that_events_use_is_there_once(engine: Engine) -> None:
    load(engine, EVENTS)
    assert {kind: words(engine, kind) for kind in WORDS} == WORDS


def test_without_events_there_are_the_stages_of_the_journey(engine: Engine) -> None:
    assert {kind: words(engine, kind) for kind in WORDS} == {kind: [] for kind in WORDS} | {"stage": STAGES}


def test_a_kind_that_there_is_not_is_refused_with_those_there_are(engine: Engine) -> None:
    with pytest.raises(
        EngineError, match="kind is channel, device, source, campaign, country, stage or event"
    ):
        words(engine, "colour")
