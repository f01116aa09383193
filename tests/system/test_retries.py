"""A client that sends an acknowledged batch again, because the answer was lost, has sent each event once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.processes import CollectorProcess
from tests.system.ledger import wait_until_loaded
from tests.system.senders import HEADERS, batch, event


@pytest.fixture
def running(collector: Callable[..., CollectorProcess]) -> CollectorProcess:
    return collector()


def post(collector: CollectorProcess, body: bytes) -> int:
    return collector.request("POST", "/v1/events", body, HEADERS)[0]


def count(collector: CollectorProcess) -> int:
    wait_until_loaded(collector)
    return int(collector.sql("SELECT count() FROM events")[0][0])


def test_a_batch_sent_again_with_another_sent_at_is_one_batch(running: CollectorProcess) -> None:
    events = [event(seq=i) for i in range(5)]
    for minute in range(4):
        assert post(running, batch(*events, sent_at=f"2026-11-22T10:0{minute}:00Z")) == 200
        wait_until_loaded(running)

    assert count(running) == 5


def test_a_retry_keeps_the_first_arrival(running: CollectorProcess) -> None:
    sent = event(occurred_at="2026-11-22T10:00:00Z")
    for minute in (1, 30):
        assert post(running, batch(sent, sent_at=f"2026-11-22T10:{minute:02}:00Z")) == 200
        wait_until_loaded(running)

    assert running.sql("SELECT toString(sent_at) FROM events") == [["2026-11-22 10:01:00.000"]]


def test_a_retry_by_a_clock_that_was_set_meanwhile_is_still_one_event(running: CollectorProcess) -> None:
    # By its device the event happened in the last second of a month; each retry corrects it by another offset, so the corrected
    # times lie in different months. Only what the device said decides what is the same event.
    sent = event(occurred_at="2026-10-31T23:59:59.900Z")
    for sent_at in (
        "2026-10-31T23:59:59.950Z",
        "2026-12-01T00:00:00Z",
        "2020-01-01T00:00:00Z",
        "2031-05-05T00:00:00Z",
    ):
        assert post(running, batch(sent, sent_at=sent_at)) == 200
        wait_until_loaded(running)

    assert count(running) == 1


def test_a_retry_from_another_channel_session_and_person_is_one_event(running: CollectorProcess) -> None:
    sent = event(occurred_at="2026-11-22T10:00:00Z")
    for user in ("1", "2"):
        body = batch(sent, identifiers={"user": user}, channel=f"channel-{user}", session_id=user)
        assert post(running, body) == 200
        wait_until_loaded(running)

    assert running.sql("SELECT identifiers['user'], channel FROM events") == [["1", "channel-1"]]


def test_a_retry_within_one_segment_is_one_event(running: CollectorProcess) -> None:
    sent = event()

    assert running.send(*[sent] * 10)["accepted"] == 10
    assert count(running) == 1


def test_a_retry_after_kill_9_is_one_event(running: CollectorProcess) -> None:
    body = batch(*[event(seq=i) for i in range(5)])
    for _ in range(2):
        assert post(running, body) == 200
        running.restart()

    assert post(running, body) == 200
    assert count(running) == 5


def test_the_same_batch_on_many_connections_at_once_is_one_batch(running: CollectorProcess) -> None:
    events = [event(seq=i) for i in range(20)]
    barrier = threading.Barrier(8)
    statuses: list[int] = []

    def send(number: int) -> None:
        body = batch(*events, sent_at=f"2026-11-22T10:00:{number:02}Z")
        barrier.wait()
        statuses.append(post(running, body))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 8
    assert count(running) == 20
