"""A simulated world: the same for the same seed, in order, whole, and such as a collector takes."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from stitchline_collector.decode import Limits, decode
from stitchline_collector.simulate import Behaviour, NotEmpty, Stratum, Summary, write

PEOPLE = 120


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "one"
    write(PEOPLE, 7, folder, Behaviour())
    return folder


@pytest.fixture(scope="module")
def batches(world: Path) -> list[dict[str, Any]]:
    return lines(world, "events")


@pytest.fixture(scope="module")
def truth(world: Path) -> list[dict[str, Any]]:
    return lines(world, "truth")


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob(f"{kind}-*.jsonl.zst")):
        with zstd.open(path, "rb") as file:
            found += [json.loads(line) for line in file]
    return found


def digest(folder: Path) -> str:
    inflated = (zstd.decompress(path.read_bytes()) for path in sorted(folder.glob("*.zst")))
    return hashlib.sha256(b"".join(inflated) + (folder / "simulation.json").read_bytes()).hexdigest()


def test_another_process_with_other_hashes_writes_the_same_bytes(world: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "stitchline_collector",
        "simulate",
        "--people",
        str(PEOPLE),
        "--seed",
        "7",
    ]
    again = tmp_path / "again"
    subprocess.run([*command, "--out", str(again)], check=True, env={**os.environ, "PYTHONHASHSEED": "99"})
    assert digest(again) == digest(world)


def test_another_seed_writes_another_world(world: Path, tmp_path: Path) -> None:
    write(PEOPLE, 8, tmp_path / "other", Behaviour())
    assert digest(tmp_path / "other") != digest(world)


def test_batches_stand_in_the_order_in_which_they_arrive(batches: list[dict[str, Any]]) -> None:
    arrivals = [batch["received_at"] for batch in batches]
    assert arrivals == sorted(arrivals)


def test_truth_has_each_event_once_in_the_order_of_first_arrival(
    batches: list[dict[str, Any]], truth: list[dict[str, Any]]
) -> None:
    arrived = dict.fromkeys(event["event_id"] for batch in batches for event in batch["events"])
    assert [line["event_id"] for line in truth] == list(arrived)


def test_a_second_try_repeats_the_events_and_is_sent_later(batches: list[dict[str, Any]]) -> None:
    first: dict[str, dict[str, Any]] = {}
    repeated = 0
    for batch in batches:
        earlier = first.setdefault(batch["events"][0]["event_id"], batch)
        if earlier is not batch:
            repeated += 1
            assert batch["events"] == earlier["events"]
            assert batch["sent_at"] > earlier["sent_at"]
    assert repeated > 0


def test_a_collector_takes_every_event(batches: list[dict[str, Any]]) -> None:
    for batch in batches:
        body = json.dumps({name: value for name, value in batch.items() if name != "received_at"}).encode()
        decoded = decode(body, Limits())
        assert decoded.rejected == []
        assert len(decoded.events) == len(batch["events"])


def test_a_device_counts_its_events_without_a_gap(batches: list[dict[str, Any]]) -> None:
    numbers: dict[str, set[int]] = {}
    for batch in batches:
        if "device" in batch:
            numbers.setdefault(batch["device"]["id"], set()).update(event["seq"] for event in batch["events"])
    assert all(given == set(range(1, len(given) + 1)) for given in numbers.values())


def test_a_session_ends_by_silence_or_a_logout_and_not_otherwise(batches: list[dict[str, Any]]) -> None:
    by_device: dict[str, dict[int, tuple[str, str, dt.datetime]]] = {}
    silence: dict[str, dt.timedelta] = {}
    for batch in batches:
        if "device" in batch:
            device = batch["device"]
            silence[device["id"]] = dt.timedelta(
                minutes=2 if device["type"] in ("kiosk", "pos", "atm") else 30
            )
            for event in batch["events"]:
                moment = dt.datetime.fromisoformat(event["occurred_at"])
                session = event.get("session_id", batch["session_id"])
                by_device.setdefault(device["id"], {})[event["seq"]] = (session, event["type"], moment)
    for device_id, events in by_device.items():
        for before, after in pairwise(events[seq] for seq in sorted(events)):
            ended = before[1] == "logout" or after[2] - before[2] > silence[device_id]
            assert (before[0] != after[0]) == ended


def test_all_strata_occur_and_the_summary_counts_them(world: Path, truth: list[dict[str, Any]]) -> None:
    summary = json.loads((world / "simulation.json").read_text())
    assert summary["strata"] == dict(sorted(Counter(line["stratum"] for line in truth).items()))
    assert set(summary["strata"]) == {stratum.value for stratum in Stratum}
    assert summary["solvable_events"] == sum(line["solvable"] for line in truth)
    assert summary["events"] == len(truth)


def test_passers_by_have_no_person_and_cannot_be_told(truth: list[dict[str, Any]]) -> None:
    strangers = [line for line in truth if line["person"] is None]
    assert strangers
    assert not any(line["solvable"] for line in strangers)


def test_nobody_says_a_partners_account_and_is_solvable(
    batches: list[dict[str, Any]], truth: list[dict[str, Any]]
) -> None:
    said = {
        event["event_id"]: event.get("identifiers", batch["identifiers"]).get("user", "")
        for batch in batches
        for event in batch["events"]
    }
    for line in truth:
        user = said[line["event_id"]]
        if line["solvable"] and user not in ("", "null", "guest"):
            assert user == f"u{line['person']}"


def test_contacts_come_hashed_and_plain(batches: list[dict[str, Any]]) -> None:
    emails = {
        event["identifiers"]["email"]
        for batch in batches
        for event in batch["events"]
        if "email" in event.get("identifiers", {})
    }
    hashed = {email for email in emails if "@" not in email}
    assert hashed
    assert emails - hashed


def test_files_are_split_and_the_pairs_hold_the_same_events(tmp_path: Path) -> None:
    summary = write(60, 3, tmp_path / "split", Behaviour(), events_of_a_file=500)
    assert summary.files == len(list((tmp_path / "split").glob("truth-*"))) > 2
    for events in sorted((tmp_path / "split").glob("events-*")):
        said = {
            event["event_id"]
            for line in zstd.decompress(events.read_bytes()).splitlines()
            for event in json.loads(line)["events"]
        }
        truths = zstd.decompress(
            (events.parent / events.name.replace("events", "truth")).read_bytes()
        ).splitlines()
        assert {json.loads(line)["event_id"] for line in truths} <= said


def test_a_world_of_several_neighbourhoods_is_one_in_order(tmp_path: Path) -> None:
    quiet = Behaviour(days=3, visits=0.2, kiosk_visits=0.1, till_visits=0.1, calls=0.1)
    summary = write(2_500, 1, tmp_path / "towns", quiet)
    arrivals = [batch["received_at"] for batch in lines(tmp_path / "towns", "events")]
    assert arrivals == sorted(arrivals)
    people = {line["person"] for line in lines(tmp_path / "towns", "truth")} - {None}
    assert max(people) > 2_000
    assert summary.batches == len(arrivals)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(NotEmpty):
        write(1, 1, tmp_path, Behaviour())
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_single_person_is_a_world(tmp_path: Path) -> None:
    summary: Summary = write(1, 1, tmp_path / "lonely", Behaviour())
    assert summary.people == 1
