"""Somebody is erased from a real collector, on both engines and from two shards."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ask.test_corrections import KEYS, cli
from tests.erasure.town import Town, files_with, let_lease_run_out, until
from tests.system.ledger import metrics
from tests.system.senders import batch, event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processes import CollectorProcess

pytestmark = pytest.mark.shards


def engine_folder(dsn: str, flavour: str, request: pytest.FixtureRequest) -> Path:
    """The data folder of ClickHouse; of a cluster, one with those of all shards in it."""
    if flavour == "embedded":
        return Path(dsn.removeprefix("chdb://"))
    return Path(request.getfixturevalue("databases")) / flavour


def test_nothing_of_somebody_erased_is_left_and_everybody_else_is_as_before(
    collector: Callable[..., CollectorProcess], dsn: str, flavour: str, request: pytest.FixtureRequest
) -> None:
    process = collector()
    town = Town(process)
    town.happen()
    folders = [process.data, engine_folder(dsn, flavour, request)]
    hashed = process.sql("SELECT value FROM identity_nodes WHERE namespace = 'email'")[0][0]
    nodes = town.nodes()
    before = {event_id: rest for event_id, *rest in town.persons()}
    hers = {event_id for event_id, (person, _) in before.items() if str(person) == nodes[0]}
    assert len(hers) == 7  # two before she signed in, four sign-ins, one unsigned on the tablet
    before_text = "".join(town.tables().values())
    assert all(word in before_text for word in [town.ada, hashed, *nodes])

    receipt = town.erase(f"user/{town.ada}")

    found = {place["place"]: place["found"] for place in receipt["places"]}
    assert found["events"] == 7
    assert found["mentions"] == 1
    assert found["failed_events"] == 1
    assert {place["left"] for place in receipt["places"]} == {0}
    for place in receipt["places"]:
        if place["proof"]:
            assert process.sql(place["proof"]) == [[0]], place
    for name, text in town.tables().items():
        assert [word for word in [*town.needles, hashed, *nodes] if word in text] == [], name
    assert files_with(folders, [*town.needles, hashed]) == []
    assert process.sql(
        "SELECT count() FROM system.parts WHERE database = currentDatabase() AND NOT active AND table LIKE 'identity_nodes'"
    ) == [[0]]
    after = {event_id: rest for event_id, *rest in town.persons()}
    assert after == {event_id: rest for event_id, rest in before.items() if event_id not in hers}
    town.rebuild()
    assert {event_id: rest for event_id, *rest in town.persons()} == after

    again = town.erase(f"user/{town.ada}")
    assert {place["found"] for place in again["places"]} == {0}


def test_what_arrives_later_of_somebody_erased_is_answered_and_dropped_until_they_come_back(
    collector: Callable[..., CollectorProcess],
) -> None:
    process = collector()
    town = Town(process)
    town.happen()
    town.erase(f"device/{town.phone}")
    accepted = metrics(process)["stitchline_events_accepted_total"]

    answers = [
        process.send(event(name="late"), device={"id": town.phone}),
        process.send(event(name="late"), identifiers={"email": town.email}),
        process.send(event(name="late"), device={"id": town.tablet}, session_id=town.session),
        process.send(event(name="late", nope=1, identifiers={"user": town.ada})),
    ]

    assert [answer["accepted"] for answer in answers] == [1, 1, 1, 0]
    found = metrics(process)
    assert found["stitchline_events_suppressed_total"] == 4
    assert found["stitchline_events_accepted_total"] == accepted
    process.send(event(name="stays"), device={"id": town.bobs_phone})
    town.settle()
    assert process.sql("SELECT countIf(name = 'late'), countIf(name = 'stays') FROM events") == [[0, 1]]
    assert process.sql("SELECT count() FROM failed_events") == [[1]]

    status, _, body = process.request("DELETE", f"/v1/suppressions/user/{town.ada}")
    assert (status, json.loads(body)["forgotten"] > 0) == (200, True)
    process.send(event(name="back"), device={"id": town.phone})
    process.sql_until("SELECT count() FROM events WHERE name = 'back'", [[1]])


@pytest.mark.shards(False)  # tests/cluster/test_privacy.py kills shards
def test_an_erasure_that_was_killed_in_the_middle_is_finished_at_the_next_start(
    collector: Callable[..., CollectorProcess],
) -> None:
    process = collector()
    town = Town(process)
    town.happen()
    asking = threading.Thread(target=lambda: _ask_in_vain(town), daemon=True)
    asking.start()
    folder = process.data / "erasures"
    until(lambda: any(folder.glob("*.open")), "it is begun")
    assert files_with([folder], [town.ada])
    process.kill()
    let_lease_run_out(process)
    process.start()

    until(lambda: any(folder.glob("*.json")), "it is finished")

    assert files_with([folder], [town.ada]) == []

    assert process.sql(f"SELECT count() FROM person_events WHERE person_id = {town.nodes()[0]}") == [[0]]
    for name, text in town.tables().items():
        assert [word for word in [*town.needles, *town.nodes()] if word in text] == [], name
    receipt = json.loads(next(folder.glob("*.json")).read_bytes())
    assert receipt["found"]["events"] == 7
    assert set(receipt["left"].values()) == {0}
    asking.join()


def test_workers_know_at_once_who_was_erased(collector: Callable[..., CollectorProcess]) -> None:
    process = collector("--workers", "2")
    town = Town(process)
    town.signs_in(town.ada, town.phone)
    town.signs_in(town.bob, town.bobs_phone)
    town.settle()

    town.erase(f"user/{town.ada}")
    for _ in range(20):  # each on a connection of its own, so that both workers hear some
        assert process.send(event(name="late"), device={"id": town.phone})["accepted"] == 1

    assert metrics(process)["stitchline_events_suppressed_total"] == 20
    assert process.sql("SELECT count() FROM events") == [[1]]


def test_only_an_admin_may_erase_and_nobody_a_shared_device(
    collector: Callable[..., CollectorProcess],
) -> None:
    process = collector(env={"STITCHLINE_KEYS": KEYS})
    town = Town(process)
    for user in (town.ada, town.bob):
        body = batch(event(type="identify", identifiers={"user": user}), device={"id": town.tablet})
        assert process.request("POST", "/v1/events", body, {"Authorization": "Bearer write-key-1"})[0] == 200
    town.settle()

    refused = [
        process.request(
            method, f"/v1/{what}/user/{town.ada}", headers={"Authorization": f"Bearer {kind}-key-1"}
        )[0]
        for method, what in (("DELETE", "people"), ("GET", "export"), ("DELETE", "suppressions"))
        for kind in ("read", "write")
    ]
    assert refused == [401] * 6
    status, _, body = process.request("DELETE", f"/v1/people/device/{town.tablet}")
    assert (status, b"shared by many" in body) == (409, True)


def test_the_commands_print_a_receipt_and_write_a_file(
    collector: Callable[..., CollectorProcess], tmp_path: Path
) -> None:
    process = collector()
    town = Town(process)
    town.happen()
    file = tmp_path / "ada.jsonl"

    exported = cli(process, "export", f"user:{town.ada}", "--output", str(file))
    erased = cli(process, "erase", f"user:{town.ada}", "--yes")
    nothing = cli(process, "export", f"user:{town.ada}", "--output", str(tmp_path / "nobody.jsonl"))
    again = cli(process, "erase", f"user:{town.ada}", "--yes")
    back = cli(process, "erase", "--forget-suppression", f"user:{town.ada}")

    assert exported.returncode == 0, exported.stderr
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert Counter(line["place"] for line in lines)["events"] == 7
    assert {"events", "failed_events", "names", "evidence", "log", "claims", "visits"} <= {
        line["place"] for line in lines
    }
    assert town.bob not in "".join(json.dumps(line) for line in lines if line["place"] == "events")
    assert file.stat().st_mode & 0o077 == 0
    assert erased.returncode == 0, erased.stderr
    assert "0 left" in erased.stdout
    assert erased.stderr == ""
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert f"nobody is known as user:{town.ada}" in nothing.stderr
    assert not (tmp_path / "nobody.jsonl").exists()
    assert (again.returncode, again.stderr) == (
        0,
        f"nobody was known as user:{town.ada}: nothing was found\n",
    )
    assert "are taken again" in back.stdout


def _ask_in_vain(town: Town) -> None:
    with contextlib.suppress(OSError, HTTPException):  # killed before it answered
        town.collector.request("DELETE", f"/v1/people/user/{town.ada}", timeout_s=300)
