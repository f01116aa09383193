"""Every parser, on hostile bodies: it says what is wrong or gives events that can be stored, and loses none in between."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stitchline_collector.decode import Decoded, Limits, TooManyEvents, Unreadable, decode
from stitchline_collector.dialects import posthog, segment, snowplow
from stitchline_collector.enrich import Arrival, Enricher, lines
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.geo import GeoDatabase
from stitchline_collector.enrich.privacy import Privacy
from stitchline_collector.receive.pixel import pixel_batch
from stitchline_collector.rows import EVENT_COLUMNS
from tests.fuzz.bodies import NATIVE, POSTHOG, SEGMENT, SNOWPLOW, hostile

LIMITS = Limits()
ARRIVAL = Arrival(dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC), "shop", "192.0.2.7", "Mozilla/5.0")
ENRICHER = Enricher(Contacts(b"k" * 32), Privacy(required=False), GeoDatabase())
PARSERS: dict[str, tuple[dict[str, Any], Callable[[bytes], Decoded]]] = {
    "native": (NATIVE, lambda body: decode(body, LIMITS)),
    "segment": (SEGMENT, lambda body: segment.open_body(body).decoded("shop", LIMITS)),
    "snowplow": (SNOWPLOW, lambda body: snowplow.open_body(body).decoded("shop", LIMITS)),
    "posthog": (POSTHOG, lambda body: posthog.open_body(body, {}, "", 1 << 20).decoded("shop", LIMITS)),
}


def check(read: Callable[[], Decoded]) -> Decoded | None:
    """Read; returns what came out, None when the body is refused as documented."""
    try:
        decoded = read()
    except (Unreadable, TooManyEvents):
        return None
    written = lines(ARRIVAL, ENRICHER.rows(decoded, ARRIVAL))
    stored = written.split(b"\n")
    assert stored.pop() == b""
    assert len(stored) == len(decoded.events)
    for line in stored:
        row = json.loads(line.decode())  # UTF-8, and JSON as ClickHouse reads it
        assert len(row) == len(EVENT_COLUMNS)
    for rejected in decoded.rejected:
        assert rejected.rejection.reason
        msgspec.json.encode(rejected.rejection)  # it goes into the reply
    return decoded


@pytest.mark.parametrize("name", PARSERS)
def test_the_bodies_that_are_changed_are_good_ones(name: str) -> None:
    body, read = PARSERS[name]
    decoded = check(lambda: read(json.dumps(body).encode()))
    assert decoded is not None
    assert decoded.rejected == []
    assert len(decoded.events) == len(body.get("events") or body.get("batch") or body["data"])


@pytest.mark.parametrize("name", PARSERS)
def test_a_hostile_body_is_refused_with_a_reason_or_read(name: str) -> None:
    body, read = PARSERS[name]

    @given(hostile(body))
    @settings(max_examples=500)
    def holds(raw: bytes) -> None:
        check(lambda: read(raw))

    holds()


@given(
    st.dictionaries(
        st.sampled_from(
            "name event_id occurred_at user email phone device url title campaign_x utm_source id_ id_x a".split()
        )
        | st.text(max_size=10),
        st.text(max_size=50) | st.sampled_from(["2026-11-22T10:00:00Z", "0", "\0", "x" * 70_000]),
        max_size=8,
    )
)
@settings(max_examples=500)
def test_a_hostile_pixel_is_refused_with_a_reason_or_read(query: dict[str, str]) -> None:
    check(lambda: decode(pixel_batch(query), LIMITS))


@given(
    st.dictionaries(
        st.sampled_from("e tv p eid dtm stm duid uid sid url ue_px ue_pr co cx se_va".split()),
        st.text(max_size=50),
    )
)
@settings(max_examples=500)
def test_a_hostile_snowplow_query_is_refused_with_a_reason_or_read(query: dict[str, str]) -> None:
    check(lambda: snowplow.open_query(query).decoded("shop", LIMITS))
