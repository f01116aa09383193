"""Rejected events: kept whole, listed, and sent again after the cause is mended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.processes import KEY, CollectorProcess
from tests.system.ledger import metrics, wait_until_loaded
from tests.system.senders import HEADERS, event

STRICT = {"STITCHLINE_MAX_EVENT_BYTES": "2000"}
LARGE = {"note": "x" * 3000}


def replay(collector: CollectorProcess, query: str = "") -> dict[str, int]:
    status, _, answer = collector.request("POST", f"/v1/failed/replay{query}", b"")
    assert status == 200, answer
    wait_until_loaded(collector)
    return dict(json.loads(answer))


def mended(strict: CollectorProcess, collector: Callable[..., CollectorProcess]) -> CollectorProcess:
    """The same data under a collector that takes larger events."""
    wait_until_loaded(strict)
    strict.kill()
    return collector(data=strict.data)


def cli(collector: CollectorProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stitchline_collector", "failed", *arguments]
    return subprocess.run(
        [*command, "--url", collector.url, "--key", KEY],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_after_the_cause_is_mended_a_replay_stores_the_event_as_it_was_sent(
    collector: Callable[..., CollectorProcess],
) -> None:
    strict = collector(env=STRICT)
    sent = event(properties=LARGE, occurred_at="2026-11-22T10:00:00Z")
    answer = strict.send(sent, event(name="neighbour"), device={"id": "d7"}, sent_at="2026-11-22T10:00:01Z")
    assert (answer["accepted"], len(answer["rejected"])) == (1, 1)
    wait_until_loaded(strict)
    assert replay(strict) == {"replayed": 0, "still_failing": 1}

    process = mended(strict, collector)
    assert replay(process) == {"replayed": 1, "still_failing": 0}

    rows = process.sql(
        "SELECT toString(event_id), device.id, length(toString(properties.note)), toString(device_time) FROM events "
        "WHERE name = 'x'"
    )
    assert rows == [[sent["event_id"], "d7", 3000, "2026-11-22 10:00:00.000"]]
    assert process.sql("SELECT replayed_at IS NOT NULL FROM failed_events") == [[1]]


def test_replaying_twice_is_replaying_once(collector: Callable[..., CollectorProcess]) -> None:
    strict = collector(env=STRICT)
    nameless: dict[str, Any] = {"type": "track", "name": "x", "properties": LARGE}  # without id and time
    strict.send(event(properties=LARGE), nameless)
    process = mended(strict, collector)

    assert replay(process)["replayed"] == 2
    assert replay(process) == {"replayed": 0, "still_failing": 0}
    assert process.sql("SELECT count(), uniqExact(event_id) FROM events") == [[2, 2]]
    accepted = metrics(process)["stitchline_events_accepted_total"]
    assert accepted == metrics(process)['stitchline_rows_loaded_total{kind="accepted"}'] == 2


def test_only_what_matches_is_replayed_and_at_most_so_many(
    collector: Callable[..., CollectorProcess],
) -> None:
    strict = collector(env=STRICT)
    strict.send(*[event(properties=LARGE) for _ in range(3)], event(naem="x"))
    process = mended(strict, collector)

    assert replay(process, "?reason=unknown%20field") == {"replayed": 0, "still_failing": 1}
    assert replay(process, "?reason=too%20large&limit=2") == {"replayed": 2, "still_failing": 0}
    assert replay(process, "?reason=too%20large") == {"replayed": 1, "still_failing": 0}


def test_a_row_that_clickhouse_refused_can_be_replayed_and_is_counted(
    collector: Callable[..., CollectorProcess],
) -> None:
    process = collector()
    body = json.dumps({"events": [event(properties={"a": "POISON"})]}).replace('"POISON"', "1e999").encode()
    assert process.request("POST", "/v1/events", body, HEADERS)[0] == 200
    wait_until_loaded(process)

    # The cause is not mended, so it is isolated again: nothing is lost, and the sums hold.
    assert replay(process) == {"replayed": 1, "still_failing": 0}

    assert process.sql(
        "SELECT countIf(replayed_at IS NULL), countIf(replayed_at IS NOT NULL) FROM failed_events"
    ) == [[1, 1]]
    found = metrics(process)
    assert (
        found["stitchline_events_accepted_total"]
        == found['stitchline_rows_isolated_total{kind="accepted"}']
        == 2
    )


def test_bytes_that_are_not_utf8_stay_where_they_are(collector: Callable[..., CollectorProcess]) -> None:
    process = collector()
    body = b'{"events":[{"type":"track","name":"\xff"}]}'
    assert process.request("POST", "/v1/events", body, HEADERS)[0] == 200
    wait_until_loaded(process)

    assert replay(process) == {"replayed": 0, "still_failing": 1}
    assert process.sql("SELECT position(hex(raw), 'FF') > 0 FROM failed_events") == [[1]]


@pytest.mark.parametrize("limit", ["many", "-1", "1.5"])
def test_a_limit_that_is_no_number_is_refused(collector: Callable[..., CollectorProcess], limit: str) -> None:
    assert collector().request("POST", f"/v1/failed/replay?limit={limit}", b"")[0] == 400


def test_a_replay_needs_an_admin_key(collector: Callable[..., CollectorProcess]) -> None:
    keys = json.dumps([{"key": f"{kind}-key-1", "kind": kind} for kind in ("write", "read", "admin")])
    process = collector(env={"STITCHLINE_KEYS": keys})
    for key, status in (("write-key-1", 401), ("read-key-1", 401), ("admin-key-1", 200)):
        answer = process.request("POST", "/v1/failed/replay", b"", {"Authorization": f"Bearer {key}"})
        assert answer[0] == status, key


def test_the_command_lists_and_replays(collector: Callable[..., CollectorProcess]) -> None:
    process = collector()
    process.send(event(naem="it's"), event(seq="x"))
    wait_until_loaded(process)

    listed = json.loads(cli(process, "list", "--json").stdout)
    assert {row["path"] for row in listed} == {"$.events[0]", "$.events[1].seq"}
    assert (
        json.loads(cli(process, "list", "--json", "--reason", "unknown field `naem`").stdout)[0]["kind"]
        == "batch"
    )
    assert json.loads(cli(process, "list", "--json", "--reason", "no' such").stdout) == []
    assert len(json.loads(cli(process, "list", "--json", "--limit", "1").stdout)) == 1
    assert "$.events[1].seq" in cli(process, "list").stdout
    assert "no rejected events" in cli(process, "list", "--reason", "nothing like it").stdout
    assert json.loads(cli(process, "replay", "--json").stdout) == {"replayed": 0, "still_failing": 2}
    replayed = cli(process, "replay", "--reason", "naem")
    assert (replayed.returncode, "1 still failing" in replayed.stdout) == (0, True)


@pytest.mark.parametrize("arguments", [(), ("list",), ("replay",)])
def test_each_command_shows_an_example(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "stitchline_collector", "failed", *arguments, "--help"]

    assert "Example" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
