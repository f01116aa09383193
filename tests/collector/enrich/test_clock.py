"""The clock step corrects what the network's delay cannot explain, and nothing else."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.decode import Limits, decode
from stitchline_collector.enrich import Arrival
from stitchline_collector.enrich.clock import Clocks
from stitchline_collector.enrich.pipeline import rows_of
from stitchline_collector.rows import Row

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)


def send(
    clocks: Clocks,
    happened: dt.datetime,
    sent: dt.datetime | None,
    received: dt.datetime,
    device: str = "phone-1",
) -> tuple[Arrival, Row]:
    """One event through the step, as a request would bring it."""
    event = {"type": "track", "name": "x", "occurred_at": happened}
    body = {"device": {"id": device}, "events": [event]} | ({"sent_at": sent} if sent else {})
    decoded = decode(msgspec.json.encode(body), Limits())
    assert decoded.rejected == []
    arrival = Arrival(received, "test", sent_at=decoded.defaults.sent_at, sender=device)
    rows = rows_of(decoded, arrival)
    clocks(arrival, rows)
    return arrival, rows[0]


def test_a_right_clock_is_left_alone() -> None:
    arrival, row = send(Clocks(), NOW - 3 * SECOND, NOW, NOW + 0.2 * SECOND)

    assert row.occurred_at == NOW - 3 * SECOND
    assert arrival.clock.offset_ms == 0


def test_one_stalled_connection_does_not_move_its_events() -> None:
    clocks = Clocks()
    for i in range(10):
        send(clocks, NOW + i * SECOND, NOW + i * SECOND, NOW + (i + 0.1) * SECOND)

    _, row = send(clocks, NOW + 20 * SECOND, NOW + 20 * SECOND, NOW + 75 * SECOND)

    assert row.occurred_at == NOW + 20 * SECOND


def test_the_first_request_of_a_device_may_stall_too() -> None:
    _, row = send(Clocks(), NOW, NOW, NOW + 50 * SECOND)

    assert row.occurred_at == NOW


def test_a_clock_ahead_is_proven_by_the_first_request() -> None:
    arrival, row = send(Clocks(), NOW + 600 * SECOND - SECOND, NOW + 600 * SECOND, NOW)

    assert arrival.clock.offset_ms == -600_000
    assert row.occurred_at == NOW - SECOND
    assert row.device_time == NOW + 599 * SECOND


def test_a_clock_a_little_behind_is_found_by_several_requests() -> None:
    clocks = Clocks()
    for i in range(4):
        sent = NOW + i * SECOND
        arrival, row = send(clocks, sent, sent, sent + 20 * SECOND)

    assert arrival.clock.offset_ms == 20_000
    assert row.occurred_at == row.device_time + 20 * SECOND


def test_a_device_that_lives_in_1970_is_brought_to_the_present() -> None:
    boot = dt.datetime(1970, 1, 1, 0, 10, tzinfo=dt.UTC)

    _, row = send(Clocks(), boot - 30 * SECOND, boot, NOW)

    assert row.occurred_at == NOW - 30 * SECOND


def test_a_device_that_lives_in_2106_is_brought_to_the_present() -> None:
    future = dt.datetime(2106, 2, 7, tzinfo=dt.UTC)

    _, row = send(Clocks(), future - DAY, future, NOW)

    assert row.occurred_at == NOW - DAY


def test_an_event_kept_offline_keeps_its_day() -> None:
    _, row = send(Clocks(), NOW - 9 * DAY, NOW, NOW + 0.1 * SECOND)

    assert row.occurred_at == NOW - 9 * DAY


def test_nothing_arrives_before_it_happens() -> None:
    _, row = send(Clocks(), NOW + DAY, NOW, NOW)
    _, unsent = send(Clocks(), NOW + DAY, None, NOW)

    assert row.occurred_at == unsent.occurred_at == NOW


def test_without_sent_at_nothing_is_known_of_the_clock() -> None:
    arrival, row = send(Clocks(), NOW - DAY, None, NOW)

    assert (arrival.clock.offset_ms, arrival.clock.confidence) == (0, 0)
    assert row.occurred_at == NOW - DAY


def test_a_clock_that_is_set_right_is_believed_from_then_on() -> None:
    clocks = Clocks()
    for i in range(8):
        send(clocks, NOW, NOW + 3600 * SECOND, NOW + i * SECOND)

    arrival, row = send(clocks, NOW + 9 * SECOND, NOW + 10 * SECOND, NOW + 10 * SECOND)

    assert arrival.clock.offset_ms == 0
    assert row.occurred_at == NOW + 9 * SECOND


def test_the_clock_of_one_sender_says_nothing_of_another() -> None:
    clocks = Clocks()
    send(clocks, NOW + DAY, NOW + DAY, NOW, device="wrong")

    arrival, _ = send(clocks, NOW, NOW, NOW, device="right")

    assert arrival.clock.offset_ms == 0


def test_confidence_grows_with_the_requests_seen() -> None:
    clocks = Clocks()
    seen = [send(clocks, NOW, NOW, NOW)[0].clock.confidence for _ in range(4)]

    assert seen == sorted(set(seen))
    assert 0 < seen[0] < seen[-1] < 1


@pytest.mark.parametrize("year", [1970, 2199])
def test_the_wildest_clocks_move_nothing_out_of_the_calendar(year: int) -> None:
    wild = dt.datetime(year, 12, 31, tzinfo=dt.UTC)
    for happened in (dt.datetime(1970, 1, 2, tzinfo=dt.UTC), dt.datetime(2199, 12, 30, tzinfo=dt.UTC)):
        _, row = send(Clocks(), happened, wild, NOW)
        assert row.occurred_at <= NOW


_years = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2199, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001


@given(st.lists(st.tuples(_years, _years | st.none()), max_size=6))
def test_no_clock_breaks_the_step(sends: list[tuple[dt.datetime, dt.datetime | None]]) -> None:
    clocks = Clocks()
    for happened, sent in sends:
        _, row = send(clocks, happened, sent, NOW)
        assert row.occurred_at <= NOW
        assert abs(row.device_time - happened) < dt.timedelta(milliseconds=1)
