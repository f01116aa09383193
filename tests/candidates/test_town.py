"""A simulated world on networks, and the judgement of what was found in it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.candidates.calibration import Calibration, Scored, calibrate
from stitchline_collector.candidates.evaluation import evaluate
from stitchline_collector.candidates.networks import Shares
from stitchline_collector.candidates.town import COLUMNS, Owners, Town
from stitchline_collector.simulate import Behaviour, write

if TYPE_CHECKING:
    from pathlib import Path

    from stitchline_collector.engine import Engine

PEOPLE = 300


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "world"
    write(PEOPLE, 5, folder, Behaviour())
    return folder


def test_the_same_world_is_put_on_the_same_networks(world: Path) -> None:
    assert list(Town(world).rows()) == list(Town(world).rows())


def test_a_family_device_is_its_households_and_nobodys_alone(world: Path) -> None:
    town = Town(world)
    used = defaultdict(set)
    for row in town.rows():
        columns = dict(zip(COLUMNS, row, strict=True))
        used[f"device:{columns['device']['id']}"].add(columns["ip"])
    owners = town.owners()
    assert set(owners) == set(used)
    families = [owner for owner in owners.values() if owner.person is None and owner.home is not None]
    assert families
    homes = defaultdict(set)
    for owner in owners.values():
        if owner.person is not None:
            homes[owner.person].add(owner.home)
    assert all(len(of_one) == 1 for of_one in homes.values())


def test_devices_of_one_household_meet_in_its_network(world: Path) -> None:
    town = Town(world, Shares(ipv6=1, renews=0, on_the_way=0, in_a_cafe=0, works=0))
    used: defaultdict[str, set[str]] = defaultdict(set)
    for row in town.rows():
        columns = dict(zip(COLUMNS, row, strict=True))
        if columns["device"]["type"] in ("phone", "tablet"):
            used[f"device:{columns['device']['id']}"].add(columns["ip"])
    networks: defaultdict[int | None, set[str]] = defaultdict(set)
    for device, owner in town.owners().items():
        if owner.person is not None:
            networks[owner.home] |= used[device]
    assert all(len(of_one) <= 1 for of_one in networks.values())
    everything = [network for of_one in networks.values() for network in of_one]
    assert len(everything) == len(set(everything))


def test_what_is_found_in_a_town_is_mostly_true_and_what_is_said_of_it_too(
    engine: Engine, world: Path
) -> None:
    found: Calibration = evaluate(engine, world)
    probable = next(at for at in found.thresholds if at.threshold == 0.9)
    assert probable.pairs > 20
    assert probable.household_precision > 0.85
    assert probable.household_recall < found.met_household_pairs / found.household_pairs


def test_precision_and_recall_are_counted_against_all_true_pairs() -> None:
    owners = {
        "a": Owners(1, 1), "b": Owners(1, 1), "c": Owners(2, 1), "d": Owners(3, 2), "e": Owners(None, None), "f": Owners(None, 2),
    }  # fmt: skip
    scored = [
        Scored("a", "b", 0.97, is_one_person=True),
        Scored("a", "c", 0.8, is_one_person=False),
        Scored("a", "d", 0.6, is_one_person=False),
        Scored("d", "e", 0.02, is_one_person=False),
    ]
    found = calibrate(scored, owners, owners)
    assert (found.person_pairs, found.household_pairs) == (1, 4)
    assert (found.met_person_pairs, found.met_household_pairs) == (1, 2)
    at = {one.threshold: one for one in found.thresholds}
    assert (at[0.95].pairs, at[0.95].person_precision, at[0.95].household_recall) == (1, 1.0, 0.25)
    assert (at[0.5].pairs, at[0.5].household_precision, at[0.5].household_recall) == (3, 2 / 3, 0.5)
    assert [at[threshold].joined for threshold in (0.5, 0.99)] == [1, 0]
    assert at[0.99].household_precision == 0
    assert [(one.lowest, one.pairs, one.household) for one in found.bins] == [
        (0.0, 1, 0.0), (0.5, 1, 0.0), (0.75, 1, 1.0), (0.95, 1, 1.0),
    ]  # fmt: skip


def test_a_folder_without_a_simulation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Town(tmp_path)
