"""From the queue to the collector and back: retries, answers, bounds."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline import Drop
from stitchline._retry import backoff_s, retry_after_s, verdict
from tests.sdk import scripted_collector as script
from tests.sdk.conftest import MakeClient
from tests.sdk.scripted_collector import ScriptedCollector


def test_events_arrive_in_order_with_the_key_and_what_they_have_in_common(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client(channel="app", device={"id": "d1", "type": "phone"}, app_version="3.1")
    for number in range(50):
        assert client.track("step", {"number": number})
    assert client.flush()
    assert [event["properties"]["number"] for event in collector.accepted] == list(range(50))
    request = collector.requests[0]
    assert request.path == "/v1/events"
    assert request.headers["authorization"] == "Bearer key"
    assert request.batch["channel"] == "app"
    assert request.batch["device"]["id"] == "d1"
    assert request.batch["device"]["app_version"] == "3.1"
    assert request.batch["sdk"]["name"] == "stitchline-python"
    assert request.batch["sent_at"].endswith("Z")


def test_a_batch_is_gzipped_and_a_small_one_is_not(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    client.track("one")
    client.flush()
    for _ in range(20):
        client.track("many", {"text": "x" * 200})
    client.flush()
    assert "content-encoding" not in collector.requests[0].headers
    assert collector.requests[-1].headers["content-encoding"] == "gzip"


def test_gzip_can_be_turned_off(collector: ScriptedCollector, make_client: MakeClient) -> None:
    client = make_client(gzip=False)
    client.track("large", {"text": "x" * 5000})
    client.flush()
    assert "content-encoding" not in collector.requests[0].headers


def test_batches_are_cut_by_count_and_by_bytes(collector: ScriptedCollector, make_client: MakeClient) -> None:
    client = make_client(max_batch_events=10, max_batch_bytes=2000, flush_interval_s=30)
    for _ in range(35):
        client.track("small")
    for _ in range(5):
        client.track("large", {"text": "x" * 900})
    assert client.flush()
    assert all(len(request.batch["events"]) <= 10 for request in collector.requests)
    assert len(collector.requests) >= 6
    assert len(collector.accepted) == 40


def test_an_event_does_not_wait_longer_than_the_flush_interval(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    make_client(flush_interval_s=0.05).track("alone")
    assert collector.wait_for_events(1)


def test_the_connection_is_kept_between_batches(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    for _ in range(3):
        client.track("x")
        assert client.flush()
    assert len({request.port for request in collector.requests}) == 1


def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client(max_retries=0)
    collector.script(script.accept_and_hang_up)
    for name in ("first", "second"):
        client.track(name)
        assert client.flush()
    assert collector.names() == ["first", "second"]
    assert client.losses == {}


@pytest.mark.parametrize(
    "step",
    [
        script.status(503),
        script.status(500),
        script.status(429),
        script.status(408),
        script.status(302, Location="http://127.0.0.1:1/"),
        script.status(204),
        script.reset,
        script.half_answer,
        script.body(b"<html>please sign in</html>"),
        script.body(b""),
    ],
)
def test_what_is_no_acknowledgement_is_tried_again_with_the_same_events(
    collector: ScriptedCollector, make_client: MakeClient, step: script.Step
) -> None:
    client = make_client()
    collector.script(step, step)
    client.track("kept", {"a": 1})
    assert client.flush(20)
    first, *_, last = [request.batch for request in collector.requests]
    assert collector.names() == ["kept"]
    assert first["events"] == last["events"]
    assert first["sent_at"] <= last["sent_at"]
    assert client.losses == {}


@pytest.mark.parametrize("step", [script.stall, script.drip])
def test_an_answer_that_does_not_end_is_given_up_after_the_timeout(
    collector: ScriptedCollector, make_client: MakeClient, step: script.Step
) -> None:
    client = make_client(timeout_s=0.3)
    collector.script(step)
    client.track("kept")
    assert client.flush(20)
    assert len(collector.requests) == 2
    assert collector.names() == ["kept"]


def test_retry_after_is_kept_also_by_a_flush(collector: ScriptedCollector, make_client: MakeClient) -> None:
    client = make_client()
    collector.script(script.status(503, Retry_After="1"))
    client.track("patient")
    assert client.flush(20)
    first, second = collector.requests
    assert second.at - first.at >= 1.0


def test_a_flush_cuts_a_backoff_short(collector: ScriptedCollector, make_client: MakeClient) -> None:
    client = make_client(backoff_s=3600, max_backoff_s=3600)
    collector.script(script.status(500))
    client.track("urgent")
    collector.wait_for_requests(1)
    assert client.flush(20)
    assert collector.names() == ["urgent"]


def test_without_network_events_wait_in_memory_until_it_is_back(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(*[script.reset] * 8)
    for number in range(5):
        client.track("kept", {"number": number})
    assert client.flush(20)
    assert [event["properties"]["number"] for event in collector.accepted] == [0, 1, 2, 3, 4]


def test_max_retries_ends_the_attempts_and_counts_the_events(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client(max_retries=2)
    collector.script(*[script.status(500)] * 3)
    client.track("given up")
    assert client.flush(20)
    assert len(collector.requests) == 3
    assert client.losses == {"retries_exhausted": 1}


def test_max_retries_zero_tries_once(collector: ScriptedCollector, make_client: MakeClient) -> None:
    client = make_client(max_retries=0)
    collector.script(script.status(500))
    client.track("given up")
    assert client.flush(20)
    assert len(collector.requests) == 1
    assert client.losses == {"retries_exhausted": 1}


@pytest.mark.parametrize(
    ("code", "reason"),
    [(400, "refused"), (401, "unauthorized"), (403, "unauthorized"), (404, "not_found"), (415, "refused")],
)
def test_a_final_answer_drops_the_batch_with_its_reason(
    collector: ScriptedCollector, make_client: MakeClient, code: int, reason: str
) -> None:
    client = make_client()
    collector.script(script.status(code))
    client.track("lost")
    assert client.flush(20)
    assert client.losses == {reason: 1}
    assert len(collector.requests) == 1


def test_a_batch_that_is_too_large_is_halved_until_it_fits(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client(flush_interval_s=30)
    collector.script(script.limit_bytes(2000))
    for number in range(40):
        client.track("part", {"number": number, "text": "x" * 100})
    assert client.flush(20)
    parts = [event["properties"]["number"] for event in collector.accepted]
    assert parts == list(range(40))
    assert client.losses == {}


def test_one_event_that_alone_is_too_large_is_dropped_and_its_neighbours_are_not(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    drops: list[Drop] = []
    client = make_client(flush_interval_s=30, on_drop=drops.append)
    collector.script(script.limit_bytes(5000))
    client.track("before")
    client.track("huge", {"text": "x" * 9000})
    client.track("after")
    assert client.flush(20)
    assert [name for name in collector.names() if name != "stitchline_loss"] == ["before", "after"]
    assert [(drop.reason, drop.event["name"]) for drop in drops] == [("too_large", "huge")]


def test_rejected_events_are_counted_with_what_the_collector_said(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    drops: list[Drop] = []
    client = make_client(flush_interval_s=30, on_drop=drops.append)
    collector.script(script.reject(1))
    for name in ("good", "bad", "fine"):
        client.track(name)
    assert client.flush(20)
    assert collector.names() == ["good", "fine"]
    assert client.losses == {"rejected": 1}
    assert [(drop.event["name"], drop.message, drop.path) for drop in drops] == [
        ("bad", "too cold", "$.properties.x")
    ]


def test_losses_are_reported_with_the_next_batch_and_only_once(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(script.status(400), script.status(503))
    client.track("lost")
    assert client.flush(20)
    client.track("next")
    assert client.flush(20)
    client.track("last")
    assert client.flush(20)
    reports = [event for event in collector.accepted if event["name"] == "stitchline_loss"]
    assert [report["properties"] for report in reports] == [{"refused": 1}]
    assert "identifiers" not in reports[0]
    assert client.losses == {"refused": 1}
    sent = [event for request in collector.requests[1:3] for event in request.batch["events"]]
    assert len({event["event_id"] for event in sent if event["name"] == "stitchline_loss"}) == 1


def test_a_rejected_loss_report_is_not_a_loss(collector: ScriptedCollector, make_client: MakeClient) -> None:
    client = make_client()
    collector.script(script.status(400), script.reject(1))
    client.track("lost")
    client.flush(20)
    client.track("next")
    assert client.flush(20)
    assert client.losses == {"refused": 1}


def test_a_callback_that_raises_or_drops_again_disturbs_nothing(make_client: MakeClient) -> None:
    def on_drop(drop: Drop) -> None:
        client.track("", {})
        raise RuntimeError(drop.reason)

    client = make_client(on_drop=on_drop)
    assert client.track("") is False
    assert client.track("fine")
    assert client.flush(20)
    assert client.losses == {"invalid": 2}


def test_close_counts_what_it_could_not_deliver_and_later_calls(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(*[script.stall] * 3)
    for _ in range(7):
        client.track("stuck")
    assert client.close(timeout_s=0.2) is False
    assert client.losses == {"shutdown": 7}
    assert client.track("late") is False
    assert client.losses == {"shutdown": 7, "closed": 1}
    assert client.pending == 0


def test_close_delivers_and_may_be_called_again(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client(flush_interval_s=60)
    client.track("last words")
    assert client.close() is True
    assert client.close() is True
    assert collector.names() == ["last words"]


def test_close_reports_losses_that_no_batch_carried(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    client.track("first")
    client.flush(20)
    client.track("")
    client.close()
    assert collector.accepted[-1]["properties"] == {"invalid": 1}


def test_a_closed_client_leaves_no_thread(make_client: MakeClient) -> None:
    client = make_client()
    client.track("x")
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stitchline")]


def test_no_thread_is_started_before_the_first_event(make_client: MakeClient) -> None:
    client = make_client()
    client.scope(user="1")
    client.flush()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stitchline")]


def test_many_threads_lose_and_double_nothing(collector: ScriptedCollector, make_client: MakeClient) -> None:
    client = make_client(max_batch_events=50)

    def work(worker: int) -> None:
        for number in range(200):
            assert client.track("work", {"worker": worker, "number": number})

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(20)
    seen = [(event["properties"]["worker"], event["properties"]["number"]) for event in collector.accepted]
    assert sorted(seen) == [(worker, number) for worker in range(6) for number in range(200)]
    assert [event["seq"] for event in collector.accepted] == list(range(1, 1201))


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=42), usegmt=True)
    assert retry_after_s("7") == 7
    assert retry_after_s(later, now.timestamp()) == 42
    assert retry_after_s("86400") == 300
    assert retry_after_s(format_datetime(now - timedelta(days=1), usegmt=True), now.timestamp()) == 0
    assert retry_after_s("soon") is None
    assert retry_after_s(None) is None


@given(st.integers(1, 2000), st.floats(0.001, 10), st.floats(0.001, 300))
def test_a_backoff_is_never_longer_than_its_ceiling(attempt: int, base: float, most: float) -> None:
    assert 0 <= backoff_s(attempt, base_s=base, max_s=most) <= most


@given(st.integers(100, 599))
def test_only_200_is_a_success(code: int) -> None:
    decided, _ = verdict(code, keeps=False)
    assert (decided == "delivered") == (code == 200)


def test_a_wrong_key_is_asked_about_again_where_the_disk_keeps_the_events() -> None:
    assert verdict(401, keeps=True)[0] == "retry"
    assert verdict(401, keeps=False) == ("drop", "unauthorized")
