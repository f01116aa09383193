"""Contacts under a new key: the same persons, to the row, as if that key had always been there."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

import pytest

from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.erasure.places import tables
from stitchline_collector.stitch import Stitcher
from stitchline_collector.stitch.renewal import MAPS, NAMES, NODES, OWNERS, VERDICTS
from tests.stitch.stories import load, state
from tests.stitch.test_incremental import (
    RULES,
    AtOnce,
    Crash,
    FragileEngine,
    assert_same,
    at_once,  # noqa: F401 -- a fixture
    story,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from stitchline_collector.engine import Engine

KEYS = [
    b"the third key, which is the newest",
    b"the second key, which was in between",
    b"the first key of all three",
]
OLDEST, OLDER, NEWEST = (Contacts(KEYS[-number:]) for number in (1, 2, 3))


def under(events: list[dict[str, Any]], keys: Callable[[], Contacts]) -> list[dict[str, Any]]:
    """The same events with their addresses as a collector with some keys stores them."""

    def stored(given: dict[str, str]) -> dict[str, str]:
        return {
            name: keys().stored(name, f"{value}@example.com") if name == "email" else value
            for name, value in given.items()
        }

    return [
        one | {"identifiers": stored(one["identifiers"]), "linked": stored(one["linked"])} for one in events
    ]


def always(keys: Contacts) -> Callable[[], Contacts]:
    return lambda: keys


@pytest.mark.parametrize("seed", range(2))
def test_events_of_all_keys_in_any_order_give_what_the_newest_key_alone_gives(
    engine: Engine,
    at_once: AtOnce,  # noqa: F811
    seed: int,
) -> None:
    luck = random.Random(seed)
    events = [happened for town in range(3) for happened in story(luck, 40, town)]
    expected = at_once(under(events, lambda: NEWEST))
    luck.shuffle(events)
    load(engine, under(events[:40], lambda: OLDEST))
    first = Stitcher(engine, RULES, max_rows=7)
    while first.round():
        pass
    first.close()
    stitcher = Stitcher(engine, RULES, max_rows=7, contacts=NEWEST)
    stitcher.round()
    assert stitcher.progress.rebuilds == 1, "what was stored before is brought under the new key at the start"
    for at in range(40, 120, 20):  # collectors roll over one by one
        load(engine, under(events[at : at + 20], lambda: luck.choice([OLDEST, OLDER, NEWEST])))
        while stitcher.round():
            pass
    stitcher.rebuild()

    assert_same(state(engine), expected)
    assert not stitcher.rebuild(), "once more changes nothing"
    assert_same(state(engine), expected)
    stitcher.close()


def test_what_comes_late_under_an_older_key_is_renewed_without_being_asked_for(
    engine: Engine,
    at_once: AtOnce,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stitchline_collector.stitch.stitcher._RENEW_EVERY_S", 0.0)
    luck = random.Random(3)
    towns = [story(luck, 40, town) for town in range(2)]
    expected = at_once(under([happened for town in towns for happened in town], lambda: NEWEST))
    stitcher = Stitcher(engine, RULES, contacts=NEWEST)
    for town, keys in zip(towns, (NEWEST, OLDEST), strict=True):
        load(engine, under(town, always(keys)))
        while stitcher.round():
            pass
    stitcher.round()
    assert_same(state(engine), expected)
    stitcher.close()


def test_a_renewal_that_dies_anywhere_is_made_good_by_the_next(
    engine: Engine,
    at_once: AtOnce,  # noqa: F811
) -> None:
    luck = random.Random(5)
    towns = [story(luck, 12, town) for town in range(12)]
    expected = at_once(under([happened for town in towns for happened in town], lambda: NEWEST))
    deaths = 0
    for dies_at, town in zip(range(9, 69, 5), towns, strict=True):
        load(engine, under(town, lambda: OLDEST))
        before = Stitcher(engine, RULES)
        while before.round():
            pass
        before.close()
        dying = Stitcher(
            cast("Engine", FragileEngine(engine, dies_at, after=dies_at % 2 == 0)), RULES, contacts=NEWEST
        )
        try:
            dying.rebuild()
        except Crash:
            deaths += 1
        dying.close()
    assert deaths == len(towns), "a renewal has fewer statements than this test believes"
    whole = Stitcher(engine, RULES, contacts=NEWEST)
    whole.rebuild()
    while whole.round():
        pass
    whole.close()
    assert_same(state(engine), expected)


def test_every_table_of_people_is_renewed_or_holds_no_contact() -> None:
    without = {
        "activation_inbox",  # event ids
        "failed_events_raw",  # bytes as they came
        "identity_candidate_devices",
        "identity_candidate_pairs",  # of devices
    }
    assert {*MAPS, *NODES, NAMES, OWNERS, VERDICTS} | without == set(tables())
