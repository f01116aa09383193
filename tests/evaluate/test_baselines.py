"""The usual methods, on small stories of which the answer is plain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stitchline_collector.evaluate.baselines import Baselines
from tests.evaluate.worlds import Told, write

Story = Callable[..., Baselines]


@pytest.fixture
def of(tmp_path: Path) -> Story:
    def read(*events: Told) -> Baselines:
        return Baselines.of(write(tmp_path, events))

    return read


def groups(labels: Sequence[int]) -> set[frozenset[int]]:
    """Which events, by number, have a label in common."""
    return {frozenset(n for n, label in enumerate(labels) if label == one) for one in set(labels)}


def grouped(*together: Sequence[int]) -> set[frozenset[int]]:
    return {frozenset(one) for one in together}


def signed_in(device: str, minute: int, user: str, **contacts: str) -> Told:
    return Told(1, device, minute, identifiers={"user": user, **contacts})


def silent(device: str, minute: int) -> Told:
    return Told(1, device, minute)


def shared_laptop(of: Story) -> Baselines:
    return of(
        silent("L", 0),
        signed_in("L", 1, "A"),
        silent("L", 2),
        signed_in("L", 3, "B"),
        silent("L", 4),
        signed_in("P", 5, "A"),
    )


def test_last_login_gives_all_of_a_device_to_its_last_user(of: Story) -> None:
    assert groups(shared_laptop(of).last_login()) == grouped([0, 1, 2, 3, 4], [5])


def test_last_login_so_far_keeps_what_each_user_did(of: Story) -> None:
    assert groups(shared_laptop(of).last_login_so_far()) == grouped([0, 1, 2, 5], [3, 4])


def test_the_last_authenticated_graph_joins_a_device_to_its_last_user_only(of: Story) -> None:
    assert groups(shared_laptop(of).last_authenticated()) == grouped([1, 5], [0, 2, 3, 4])


def test_plain_components_join_all(of: Story) -> None:
    assert groups(shared_laptop(of).plain_components()) == grouped([0, 1, 2, 3, 4, 5])


def test_a_later_login_decides_also_where_its_event_comes_first(of: Story) -> None:
    late_first = of(signed_in("L", 9, "B"), silent("L", 0), signed_in("L", 1, "A"))
    assert groups(late_first.last_login_so_far()) == grouped([0], [1, 2])
    assert groups(late_first.last_login()) == grouped([0, 1, 2])


def test_a_shared_address_joins_strangers_in_both_graphs_and_in_no_login(of: Story) -> None:
    both = of(
        signed_in("P", 0, "A", email="till@shop.example"),
        signed_in("Q", 1, "B", email="till@shop.example"),
    )
    assert groups(both.last_authenticated()) == groups(both.plain_components()) == grouped([0, 1])
    assert groups(both.last_login()) == groups(both.last_login_so_far()) == grouped([0], [1])


def test_an_address_is_one_hashed_or_plain(of: Story) -> None:
    hashed = "7a64adf28737ea90719cbdf0b1a87a5effff3753b79c91d717f4f4153ead0498"
    spelt = of(
        Told(1, "P", identifiers={"email": " Alice@Example.ORG"}), Told(1, "Q", identifiers={"email": hashed})
    )
    assert groups(spelt.plain_components()) == grouped([0, 1])


def test_values_that_name_nobody_join_nobody(of: Story) -> None:
    nobody = of(Told(1, "P", identifiers={"user": "null"}), Told(2, "Q", identifiers={"user": "null"}))
    for _, labels in nobody.methods():
        assert groups(labels) == grouped([0], [1])
    assert list(nobody.names.users) == [0, 0]


def test_a_link_joins_its_two_sides_in_the_graphs(of: Story) -> None:
    scanned = of(silent("P", 0), Told(1, "Q", 1, linked={"device": "P"}))
    assert groups(scanned.last_authenticated()) == groups(scanned.plain_components()) == grouped([0, 1])
    assert groups(scanned.last_login()) == grouped([0], [1])


def test_a_servers_event_is_whose_it_says(of: Story) -> None:
    called = of(
        signed_in("P", 0, "A", phone="+4915112345678"),
        Told(1, identifiers={"phone": "+4915112345678"}),
        Told(1),
    )
    assert groups(called.last_authenticated()) == grouped([0, 1], [2])
    assert groups(called.last_login()) == grouped([0], [1], [2])
    assert called.last_login()[2] == 0


def test_an_event_that_came_twice_is_read_once(tmp_path: Path) -> None:
    key = write(tmp_path, [silent("P", 0), signed_in("P", 1, "A")], again=[1, 0])
    assert [said.number for said in key.events()] == [0, 1]
