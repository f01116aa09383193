"""Views as of a past moment give what they gave then, whatever was learned since."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from stitchline_collector.ask.questions import views
from stitchline_collector.ask.views import Unknown, asked
from stitchline_collector.journeys import prepare
from stitchline_collector.journeys.past import has_past, name_of, of_then
from tests.ask.test_found_right import LATER, moment
from tests.cluster.test_answers import _ASKED, _JOURNEY, _comparable, everything
from tests.stitch.stories import load
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine, Reader

WITH_PAST = sorted(name for name, view in views().items() if has_past(name, view.sql))


def answer(reader: Reader, name: str, stitched: str, as_of: str = "") -> list[tuple[Any, ...]]:
    given = {**_ASKED.get(name, {}), "stitched": stitched}
    statement, values = asked(name, given, as_of)
    return sorted((tuple(map(_comparable, row)) for row in reader.query(statement, values)), key=repr)


def test_every_view_is_asked_as_of_a_past_moment_with_the_answer_of_then(engine: Engine) -> None:
    prepare(engine, _JOURNEY)
    events = everything()
    half = len(events) // 2
    load(engine, events[:half])
    stitch(engine)
    reader = engine.reader()
    then = {(name, one): answer(reader, name, one) for name in WITH_PAST for one in "10"}
    at = moment(reader).isoformat(" ")
    load(engine, [one | {"received_at": LATER} for one in events[half:]])
    stitch(engine)
    for (name, stitched), told in then.items():
        assert answer(reader, name, stitched, at) == told, name
        if stitched == "1":
            now = answer(reader, name, stitched)
            assert now != told, name
            assert answer(reader, name, stitched, "2100-01-01") == now, name
    reader.close()


def test_all_views_about_people_have_a_past_but_the_one_of_a_single_person() -> None:
    assert set(views()) - set(WITH_PAST) == {"timeline", "data_quality", "words_of"}
    for name in WITH_PAST:
        assert not re.search(
            r"\bFROM (journey_events|funnel_ways|attribution_paths)\b(?!_asof)", of_then(views()[name].sql)
        )


def test_a_view_about_now_says_so() -> None:
    with pytest.raises(Unknown, match="timeline tells of now alone"):
        asked("timeline", {}, "2026-11-01")
    assert name_of("funnel") == "funnel_asof"
