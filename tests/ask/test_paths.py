"""The path search alone."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.ask.paths import Link, Step, best_path

nodes = st.integers(1, 5)
links = st.lists(
    st.builds(
        lambda ends, kind, rule: Link(min(ends), max(ends), kind, rule),
        st.lists(nodes, min_size=2, max_size=2, unique=True),
        st.sampled_from(["login", "link", "contact", "merge"]),
        st.sampled_from(["", "", "two_users", "hub"]),
    ),
    max_size=8,
)


def cost(path: list[Link]) -> tuple[int, int]:
    return sum(bool(link.refused_by) for link in path), len(path)


def all_paths(links: list[Link], start: int, end: int) -> list[list[Link]]:
    """Every way of walking some of the links, by trying them all."""
    found: list[list[Link]] = [[]] if start == end else []
    for length in range(1, min(len(links), 4) + 1):
        for chosen in permutations(set(links), length):
            at = start
            for link in chosen:
                at = link.high if at == link.low else link.low if at == link.high else -1
            if at == end:
                found.append(list(chosen))
    return found


@given(links, nodes, nodes)
def test_the_path_is_the_best_of_all(links: list[Link], start: int, end: int) -> None:
    found = best_path(links, start, end)
    tried = all_paths(links, start, end)
    assert (found is None) == (not tried)
    if found is not None:
        assert cost([step.link for step in found]) == min(map(cost, tried))
        assert_connected(found, start, end)


@given(links, st.randoms(use_true_random=False), nodes, nodes)
def test_the_order_of_links_does_not_matter(links: list[Link], luck: object, start: int, end: int) -> None:
    shuffled = list(links)
    luck.shuffle(shuffled)  # type: ignore[attr-defined]
    assert best_path(shuffled, start, end) == best_path(links, start, end)


def assert_connected(steps: list[Step], start: int, end: int) -> None:
    at = start
    for step in steps:
        assert step.origin == at
        assert {step.origin, step.target} == {step.link.low, step.link.high}
        at = step.target
    assert at == end


def test_a_detour_is_better_than_a_refusal_and_a_login_better_than_a_typed_address() -> None:
    refused = Link(1, 3, "login", "two_users")
    detour = [Link(1, 2, "contact", ""), Link(2, 3, "contact", "")]
    by_login = [Link(1, 2, "login", ""), Link(2, 3, "login", "")]
    chosen = best_path([refused, *detour, *by_login], 1, 3)
    assert chosen is not None
    assert [step.link for step in chosen] == by_login
