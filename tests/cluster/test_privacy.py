"""Somebody whose events lie on different shards is read and erased as a whole, whatever happens to a shard meanwhile."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from stitchline_collector import migrate
from stitchline_collector.ask.asked import Asked
from stitchline_collector.engine import Engine
from stitchline_collector.erasure.erasing import Erasing, OnReplicas
from stitchline_collector.erasure.ground import Ground
from stitchline_collector.erasure.places import PLACES
from stitchline_collector.erasure.subject import Subject
from stitchline_collector.erasure.withdrawing import hear
from stitchline_collector.stitch import Desk
from stitchline_collector.suppression.suppressions import Suppressions
from tests.clickhouse_cluster import ClickHouseCluster
from tests.cluster.test_people import devices_of_different_shards
from tests.erasure.town import Town, files_with, until
from tests.processes import CollectorProcess
from tests.stitch.stories import event, load, node
from tests.system.ledger import metrics
from tests.system.senders import event as sent

if TYPE_CHECKING:
    from stitchline_collector.erasure.mail import Mail
    from stitchline_collector.load import Loader

EVENTS = next(place for place in PLACES if place.name == "events")


@pytest.fixture
def collector(own_cluster: ClickHouseCluster, tmp_path: Path) -> Iterator[CollectorProcess]:
    """One on shards of its own."""
    with Engine.open(own_cluster.dsn()) as engine:
        migrate.apply(engine)
    process = CollectorProcess(tmp_path / "data", own_cluster.dsn())
    yield process.start()
    process.kill()


@pytest.fixture
def town(own_cluster: ClickHouseCluster, collector: CollectorProcess) -> Town:
    """Ada's phone is on one shard, her laptop on the other."""
    town = Town(collector)
    town.phone, town.laptop = devices_of_different_shards(own_cluster.dsn(), f"device-{town.ada}")
    town.happen()
    return town


def _holding(cluster: ClickHouseCluster, needles: list[str]) -> list[bool]:
    """On which shard's disk one of some words stands."""
    return [bool(files_with([shard.path], needles)) for shard in cluster.shards]


def test_an_export_has_what_lies_on_every_shard(town: Town) -> None:
    status, _, body = town.collector.request("GET", f"/v1/export/user/{town.ada}")
    lines = [json.loads(line) for line in body.splitlines()]
    events = [line["row"] for line in lines if line["place"] == "events"]
    assert status == 200
    assert len(events) == 7
    assert {town.phone, town.laptop} <= {one["device"]["id"] for one in events}
    assert {line["row"]["device_id"] for line in lines if line["place"] == "visits"} >= {
        town.phone,
        town.laptop,
    }
    assert town.bob not in json.dumps(events)


@pytest.mark.parametrize("number", [0, 1])
def test_an_erasure_goes_on_when_a_shard_that_died_in_the_middle_is_back(
    own_cluster: ClickHouseCluster, town: Town, number: int
) -> None:
    process = town.collector
    nodes = town.nodes()
    before = {event_id: rest for event_id, *rest in town.persons()}
    others = {id_: rest for id_, rest in before.items() if str(rest[0]) != nodes[0]}
    assert len(before) - len(others) == 7
    assert _holding(own_cluster, [town.ada]) == [True, True]

    asking = threading.Thread(target=_ask_in_vain, args=(town,), daemon=True)
    asking.start()
    folder = process.data / "erasures"
    until(lambda: any(folder.glob("*.open")), "it is begun")
    own_cluster.shards[number].restart()
    until(lambda: any(folder.glob("*.json")), "it is finished")
    asking.join()

    assert _holding(own_cluster, town.needles) == [False, False]
    assert files_with([process.data], [*town.needles]) == []
    receipt = json.loads(next(folder.glob("*.json")).read_bytes())
    assert receipt["found"]["events"] == 7
    assert set(receipt["left"].values()) == {0}
    for name, text in town.tables().items():
        assert [word for word in [*town.needles, *nodes] if word in text] == [], name
    assert {event_id: rest for event_id, *rest in town.persons()} == others
    again = town.erase(f"user/{town.ada}")
    assert {place["found"] for place in again["places"]} == {0}
    for device in (town.phone, town.laptop):
        process.send(sent(name="late"), device={"id": device})
    assert metrics(process)["stitchline_events_suppressed_total"] == 2


def test_rows_that_wait_between_the_servers_are_brought_and_looked_at(engine: Engine) -> None:
    devices = [f"device-{number}" for number in range(20)]
    with closing(Desk(engine)) as desk:
        desk.session.command("SYSTEM STOP DISTRIBUTED SENDS events_raw")
        load(engine, [event(number, device) for number, device in enumerate(devices)], waits=False)
        waiting = desk.session.query(
            "SELECT sum(data_files) FROM system.distribution_queue WHERE database = currentDatabase()"
        )
        assert waiting[0][0] > 0
        desk.session.command("SYSTEM START DISTRIBUTED SENDS events_raw")
        known = [("device", device, node(desk.session, "device", device)) for device in devices]
        subject = Subject([one for _, _, one in known], known)
        look = Ground(desk.shards, subject, lambda _, value: value)
        with look.staked():
            assert look.count(EVENTS) == 20
        assert desk.session.query(
            "SELECT sum(data_files) FROM system.distribution_queue WHERE database = currentDatabase()"
        ) == [(0,)]


def _ask_in_vain(town: Town) -> None:
    with contextlib.suppress(OSError, HTTPException):
        town.collector.request("DELETE", f"/v1/people/user/{town.ada}", timeout_s=300)


def test_with_replicas_nobody_is_erased_and_nothing_is_noted(
    dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Engine.open(f"{dsn}&replicated=1") as replicated, closing(Desk(replicated)) as desk:
        hear(replicated, wanted=True)
        erasing = Erasing(
            tmp_path,
            Suppressions(tmp_path, b"secret", lambda _, value: value),
            lambda _, value: value,
            lambda errand: done_at_once(errand, desk),
            cast("Loader", None),
            threading.Lock(),
            cast("Mail", None),
        )
        with pytest.raises(OnReplicas):
            erasing.erase(Asked("user", "ada", "user:ada")).result()
    assert [path.name for path in tmp_path.iterdir()] == ["suppressed.version"]
    assert [record.getMessage() for record in caplog.records] == [
        "erase_on_withdrawal: nobody can be erased from a cluster with replicas yet: withdrawals are recorded only"
    ]


def done_at_once(errand: Callable[[Desk], Any], desk: Desk) -> Future[Any]:
    """As the stitcher's thread would."""
    done: Future[Any] = Future()
    try:
        done.set_result(errand(desk))
    except OnReplicas as error:
        done.set_exception(error)
    return done
