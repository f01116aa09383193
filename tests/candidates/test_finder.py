"""Probable links on both engines: what is compared, what is shown, and what is left alone."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import pytest

from stitchline_collector.candidates import Limits, find
from stitchline_collector.stitch import Stitcher
from tests.candidates.reference import compared
from tests.stitch.stories import event, load, state

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

DEVICES = (
    {"os": "iOS", "model": "iPhone 15", "timezone": "Europe/Berlin", "locale": "de-DE"},
    {"os": "iOS", "model": "iPhone 13", "timezone": "Europe/Berlin", "locale": "de_DE"},
    {"os": "Windows", "timezone": "Europe/Berlin", "locale": "en-GB"},
    {"os": "Windows", "timezone": "Europe/Vienna", "locale": "de-AT"},
    {"timezone": ""},
)


def seen(minute: float, device: str, network: str, **device_fields: str) -> dict[str, Any]:
    """A device in a network, so many minutes after the start."""
    happened = event(minute, device)
    happened["device"] |= device_fields
    return happened | {"ip": network}


def stitch(engine: Engine) -> None:
    stitcher = Stitcher(engine)
    while stitcher.round():
        pass
    stitcher.close()


def shown(engine: Engine) -> list[tuple[Any, ...]]:
    session = engine.session()
    rows = session.query(
        "SELECT low_name, high_name, features, weight, probability, is_one_person FROM identity_candidates ORDER BY low_name, high_name"
    )
    session.close()
    return list(rows)


def devices_shown(engine: Engine) -> set[str]:
    return {name.removeprefix("device:") for row in shown(engine) for name in row[:2]}


def a_busy_month(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    habits = [chance.sample(range(8), 3) for _ in range(14)]
    return [
        seen(
            chance.randrange(30 * 24 * 12) * 5, f"d{who}", f"10.0.{chance.choice(habits[who])}.0", **DEVICES[who % 5]
        )
        for who in chance.choices(range(14), range(1, 15), k=300)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_every_pair_is_compared_as_the_reference_does_it(engine: Engine, seed: int) -> None:
    events = a_busy_month(seed)
    load(engine, events)
    load(engine, events[:50])  # what comes twice changes nothing
    find(engine, Limits(most_devices=6))
    session = engine.session()
    rows = session.query(
        "SELECT low_name, high_name, shared_networks, closeness, days_together, time_shared, rhythm, toString(pattern)"
        " FROM identity_candidate_pairs"
    )
    session.close()
    expected = compared(events, most_devices=6)
    assert {frozenset(name.removeprefix("device:") for name in row[:2]) for row in rows} == set(expected)
    assert len(rows) == len(expected)
    for low, high, *found in rows:
        pair = expected[frozenset((low.removeprefix("device:"), high.removeprefix("device:")))]
        assert found[:-1] == pytest.approx(list(pair[:-1]), abs=1e-5)
        assert found[-1] == pair.pattern


def test_the_same_events_give_the_same_pairs_and_probabilities(engine: Engine) -> None:
    load(engine, a_busy_month(3))
    find(engine)
    first = shown(engine)
    find(engine)
    assert first
    assert shown(engine) == first


def test_only_the_latest_run_is_kept(engine: Engine) -> None:
    load(engine, a_busy_month(3))
    find(engine)
    run = find(engine)
    session = engine.session()
    for table in ("pairs", "levels", "patterns"):
        assert session.query(f"SELECT DISTINCT run FROM identity_candidate_{table}") == [(run.number,)]
    assert session.query("SELECT count() FROM identity_candidate_devices") == [(0,)]
    assert session.query("SELECT count() FROM identity_candidate_models") == [(2,)]


def test_a_run_that_died_is_not_seen_and_hides_nothing(engine: Engine) -> None:
    load(engine, a_busy_month(3))
    find(engine)
    before = shown(engine)
    session = engine.session()
    session.command(
        "INSERT INTO identity_candidate_pairs (run, device_low, device_high, pattern)"
        " SELECT max(run) + 1, 1, 2, 'of_3,same,model,alike' FROM identity_candidate_models"
    )
    assert shown(engine) == before


def test_a_shared_device_and_a_place_are_never_candidates(engine: Engine) -> None:
    home = "10.0.0.0"
    events = [seen(minute, device, home) for minute in range(3) for device in ("phone", "laptop", "family")]
    kiosk = event(4, "kiosk", device_type="kiosk") | {"ip": home}
    load(engine, [*events, kiosk, event(5, "family", user="A"), event(6, "family", user="B")])
    stitch(engine)
    find(engine)
    assert devices_shown(engine) == {"phone", "laptop"}


def test_what_becomes_nobodys_after_the_run_is_no_candidate_any_more(engine: Engine) -> None:
    load(engine, [seen(minute, device, "10.0.0.0") for minute in range(3) for device in ("phone", "laptop")])
    stitch(engine)
    find(engine)
    assert devices_shown(engine) == {"phone", "laptop"}
    load(engine, [event(5, "laptop", user="A"), event(6, "laptop", user="B")])
    stitch(engine)
    assert devices_shown(engine) == set()


def test_a_network_of_too_many_devices_links_nobody(engine: Engine) -> None:
    load(engine, [seen(0, f"d{number}", "10.0.0.0") for number in range(5)])
    find(engine, Limits(most_devices=4))
    assert shown(engine) == []
    find(engine, Limits(most_devices=5))
    assert len(shown(engine)) == 10


def test_a_device_has_a_limited_number_of_pairs_the_closest_first(engine: Engine) -> None:
    crowd = [seen(0, f"d{number}", "10.0.0.0") for number in range(12)]
    load(engine, [*crowd, seen(1, "d3", "10.0.1.0"), seen(2, "d7", "10.0.1.0")])
    find(engine, Limits(most_pairs=2))
    names = [name for row in shown(engine) for name in row[:2]]
    assert max(map(names.count, names)) <= 4
    assert {"device:d3", "device:d7"} in [set(row[:2]) for row in shown(engine)]


def test_probable_links_join_nobody(engine: Engine) -> None:
    load(engine, [*a_busy_month(4), event(1, "d1", user="A"), event(2, "d2", user="A")])
    stitch(engine)
    before = state(engine)
    find(engine)
    stitch(engine)
    assert shown(engine)
    assert state(engine) == before


def test_a_pair_that_is_one_person_already_says_so(engine: Engine) -> None:
    events = [seen(minute, device, "10.0.0.0") for minute in range(3) for device in ("p", "q", "r")]
    load(engine, [*events, event(5, "p", user="A"), event(6, "q", user="A")])
    stitch(engine)
    find(engine)
    joined = {frozenset(row[:2]): row[5] for row in shown(engine)}
    assert joined == {
        frozenset({"device:p", "device:q"}): True,
        frozenset({"device:p", "device:r"}): False,
        frozenset({"device:q", "device:r"}): False,
    }


def test_events_without_a_network_or_too_old_are_not_looked_at(engine: Engine) -> None:
    day = 24 * 60
    old = [seen(minute, device, "10.0.0.0") for minute in range(3) for device in ("p", "q")]
    load(engine, [*old, event(100 * day, "p"), event(100 * day, "q")])
    find(engine, Limits(days=90))
    assert shown(engine) == []
    find(engine, Limits(days=110))
    assert len(shown(engine)) == 1


def test_a_network_of_two_says_more_than_one_of_many(engine: Engine) -> None:
    day = dt.timedelta(days=1) // dt.timedelta(minutes=1)
    crowd = [seen(number * day, f"c{number}", "10.0.9.0", **DEVICES[number % 4]) for number in range(20)]
    couples = [
        seen(number * day, f"{who}{number}", f"10.1.{number}.0", **DEVICES[number % 4])
        for number in range(20)
        for who in "ab"
    ]
    load(engine, [*crowd, *couples])
    find(engine)
    chances: dict[bool, list[float]] = {True: [], False: []}
    for low, high, _, _, probability, _ in shown(engine):
        chances[low[7] == high[7] == "c"].append(probability)
    assert min(chances[False]) > max(chances[True])
