"""Collectors with data folders of their own and one ClickHouse: who was erased by one is known to all."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stitchline_collector.engine import Engine, Session
from stitchline_collector.suppression.exchange import Exchange
from stitchline_collector.suppression.suppressions import Suppressions
from tests.collector.spool.full_disk import largest_file
from tests.erasure.town import Town, until
from tests.processes import SAME_KEY, CollectorProcess
from tests.system.ledger import metrics, wait_until_loaded
from tests.system.senders import event


@pytest.fixture(params=["server", "cluster"])
def flavour(request: pytest.FixtureRequest) -> str:
    """Which ClickHouse this run uses: the embedded one has one collector."""
    return str(request.param)


def _stitches(collector: CollectorProcess) -> bool:
    found = metrics(collector)
    return found["stitchline_stitch_standby"] == 0 and found["stitchline_ready"] == 1


def test_who_was_erased_by_one_collector_comes_back_through_none_until_one_is_told(
    collector: Callable[..., CollectorProcess],
) -> None:
    stitching = collector("--workers", "2", env=SAME_KEY)
    town = Town(stitching)
    town.happen()
    other = collector(env=SAME_KEY)
    until(lambda: not _stitches(other), "the second stands by")
    status, _, answer = other.request("DELETE", f"/v1/people/user/{town.ada}")
    assert (status, "stitchline_stitch_standby 0" in json.loads(answer)["hint"]) == (409, True)
    assert other.request("POST", "/v1/identity/rebuild", b"")[0] == 409

    town.erase(f"user/{town.ada}")

    assert other.sql("SELECT count() FROM suppressions") == [[1]]  # at once
    for one in (stitching, other):
        one.send(event(name="late"), device={"id": town.phone})
        one.send(event(name="late"), device={"id": town.bobs_phone})
        wait_until_loaded(one)
    assert other.sql("SELECT device.id, count() FROM events WHERE name = 'late' GROUP BY ALL") == [
        [town.bobs_phone, 2]
    ]
    found = metrics(other)
    dropped = found["stitchline_events_suppressed_total"]
    assert dropped + found['stitchline_rows_erased_total{kind="accepted"}'] == 1

    other.restart()  # what it has heard is in its own data folder too
    other.send(event(name="later"), device={"id": town.phone})
    assert metrics(other)["stitchline_events_suppressed_total"] == 1

    assert json.loads(other.request("DELETE", f"/v1/suppressions/user/{town.ada}")[2])["forgotten"] > 0

    def is_taken_again() -> bool:
        stitching.send(event(name="back"), device={"id": town.phone})
        wait_until_loaded(stitching)
        return bool(other.sql("SELECT count() FROM events WHERE name = 'back'")[0][0])

    until(is_taken_again, "the other knows that she is back")


def _folder(path: Path) -> Suppressions:
    return Suppressions(path, b"a secret", lambda _, value: value, is_shared=True)


def test_data_folders_tell_each_other_everything_once(engine: Engine, tmp_path: Path) -> None:
    with closing(engine.session()) as session:
        one, other = _folder(tmp_path / "one"), _folder(tmp_path / "other")
        of_one, of_other = Exchange(one), Exchange(other)
        one.add("1", [("user", "ada")])
        other.add("2", [("user", "bob")])
        for exchange in (of_one, of_other, of_one):
            exchange(session)
        for folder in (one, other):
            assert [folder.holds("user", name) for name in ("ada", "bob", "eve")] == [True, True, False]

        assert other.forget("user", "ada") > 0
        for exchange in (of_one, of_other, of_one, of_other):
            exchange(session)
        for folder in (one, other):
            assert [folder.holds("user", name) for name in ("ada", "bob")] == [False, True]
            assert len(json.loads(folder.path.read_bytes())) == 1
        versions = one.version, other.version
        rows = session.query("SELECT count() FROM suppressions")

        of_one(session)
        of_other(session)
        Exchange(one)(session)
        assert ((one.version, other.version), session.query("SELECT count() FROM suppressions")) == (
            versions,
            rows,
        )
        assert _heard_by_a_new_one(session, tmp_path) == [False, True]


def _heard_by_a_new_one(session: Session, tmp_path: Path) -> list[bool]:
    late = _folder(tmp_path / "late")
    Exchange(late)(session)
    return [late.holds("user", name) for name in ("ada", "bob")]


def test_on_a_full_disk_what_was_heard_holds_and_what_is_known_is_told(
    engine: Engine, tmp_path: Path
) -> None:
    with closing(engine.session()) as session:
        one, other = _folder(tmp_path / "one"), _folder(tmp_path / "other")
        exchange = Exchange(other)
        one.add("1", [("user", "ada")])
        for each in (Exchange(one), exchange):
            each(session)
        one.add("2", [("user", "bob")])
        Exchange(one)(session)
        other.add("3", [("user", "eve")])
        assert other.forget("user", "ada") > 0
        with largest_file(0):
            exchange(session)
            assert [other.holds("user", name) for name in ("ada", "bob", "eve")] == [False, True, True]
            assert not _folder(tmp_path / "other").holds("user", "bob")
        Exchange(one)(session)
        assert [one.holds("user", name) for name in ("ada", "bob", "eve")] == [False, True, True]
        exchange(session)
        assert _folder(tmp_path / "other").holds("user", "bob")


def test_of_an_unreadable_file_what_others_know_holds(engine: Engine, tmp_path: Path) -> None:
    with closing(engine.session()) as session:
        one, other = _folder(tmp_path / "one"), _folder(tmp_path / "other")
        one.add("1", [("user", "ada")])
        Exchange(one)(session)
        other.path.write_bytes(b"[{")
        Exchange(other)(session)
        assert other.holds("user", "ada")
        assert other.path.read_bytes() == b"[{"
