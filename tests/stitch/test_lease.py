"""One stitcher at a time on a shared server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from stitchline_collector.stitch.lease import Lease

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine


def leases(engine: Engine, count: int) -> list[Lease]:
    return [Lease(engine.session(), needed=True) for _ in range(count)]


def test_the_first_keeps_the_lease_until_it_lets_go(engine: Engine) -> None:
    first, second = leases(engine, 2)
    assert [first.held(), second.held(), first.held()] == [True, False, True]
    first.release()
    assert [second.held(), first.held()] == [True, False]


def test_letting_go_of_what_another_holds_changes_nothing(engine: Engine) -> None:
    first, second = leases(engine, 2)
    assert first.held()
    assert not second.held()
    second.release()
    assert not second.held()
    assert first.held()


def test_a_lease_that_ran_out_is_taken_by_exactly_one_of_many(engine: Engine) -> None:
    contenders = leases(engine, 4)
    for _ in range(5):
        with ThreadPoolExecutor(len(contenders)) as threads:
            answers = list(threads.map(Lease.held, contenders))
        assert answers.count(True) == 1
        for lease in contenders:
            lease.release()


def test_without_need_it_costs_no_statement(engine: Engine) -> None:
    session = engine.session()
    assert Lease(session, needed=False).held()
    assert session.query("SELECT count() FROM identity_lease") == [(0,)]


def test_only_who_holds_the_lease_can_prolong_it(engine: Engine) -> None:
    first, second = leases(engine, 2)
    assert first.held()
    assert not second.prolong(60_000)
    assert first.prolong(60_000)
    left = engine.session().query(
        "SELECT dateDiff('s', now64(3), argMax(expires_at, epoch)) FROM identity_lease"
    )
    assert left[0][0] > 30
