"""The steps together: what an event is stored as."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.decode import Limits, decode
from stitchline_collector.enrich import Arrival, Enricher, lines
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.geo import GeoDatabase
from stitchline_collector.enrich.privacy import Privacy
from stitchline_collector.rows import EVENT_COLUMNS

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.0 Mobile/15E148 Safari/604.1"
)


def store(
    *events: dict[str, Any],
    required: bool = False,
    objects: bool = False,
    ip: str = "",
    user_agent: str = "",
    **envelope: Any,
) -> list[dict[str, Any]]:
    """The lines of a batch, as dictionaries by column."""
    decoded = decode(json.dumps({**envelope, "events": list(events)}).encode(), Limits())
    assert decoded.rejected == []
    arrival = Arrival(NOW, "shop", ip, user_agent, objects=objects)
    privacy = Privacy(required=required, refused_by_signal=("marketing", "sale"))
    enricher = Enricher(Contacts(b"k" * 32), privacy, GeoDatabase())
    written = lines(arrival, enricher.rows(decoded, arrival))
    return [dict(zip(EVENT_COLUMNS, json.loads(line), strict=True)) for line in written.splitlines()]


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "name": "x", **fields}


def test_a_line_holds_every_column_in_the_order_of_the_insert() -> None:
    (row,) = store(track(properties={"price": 79.9}), device={"id": "d"}, sent_at="2026-11-22T11:59:59Z")

    assert list(row) == list(EVENT_COLUMNS)
    assert row["properties"] == {"price": 79.9}
    assert row["source"] == "shop"
    assert row["sent_at"] == "2026-11-22T11:59:59Z"


def test_each_event_is_one_line_in_the_order_of_the_batch() -> None:
    rows = store(*[track(seq=i) for i in range(20)])

    assert [row["seq"] for row in rows] == list(range(20))


def test_an_event_takes_the_batchs_values_for_what_it_leaves_out() -> None:
    (row,) = store(
        track(),
        device={"id": "d"},
        identifiers={"user": "42"},
        channel="app",
        session_id="s",
        consent={"analytics": True},
    )

    assert row["device"] == {"id": "d"}
    assert row["identifiers"] == {"user": "42"}
    assert (row["channel"], row["session_id"], row["consent"]) == ("app", "s", {"analytics": True})


def test_an_events_own_value_replaces_the_batchs_whole_field() -> None:
    (row,) = store(
        track(identifiers={}, device={"type": "phone"}, channel="", session_id=""),
        device={"id": "d", "os": "iOS"},
        identifiers={"user": "42"},
        channel="app",
        session_id="s",
    )

    assert row["identifiers"] == {}
    assert row["device"] == {"type": "phone"}
    assert row["session_id"] == ""


def test_without_sent_at_the_arrival_stands_in() -> None:
    (row,) = store(track())

    assert row["sent_at"] == row["received_at"] == "2026-11-22T12:00:00Z"


def test_an_event_without_id_gets_a_uuid7_and_without_time_the_arrival() -> None:
    (row,) = store(track())

    assert uuid.UUID(row["event_id"]).version == 7
    assert row["occurred_at"] == row["device_time"] == "2026-11-22T12:00:00Z"


def test_an_event_without_time_happened_when_its_uuid7_was_made() -> None:
    made = NOW - dt.timedelta(minutes=5)
    event_id = uuid.UUID(int=int(made.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62)

    (row,) = store(track(event_id=str(event_id)))

    assert row["occurred_at"] == "2026-11-22T11:55:00Z"


def test_an_event_without_name_is_named_after_its_type() -> None:
    (row,) = store({"type": "page"})

    assert row["name"] == "page"


def test_no_consent_for_analytics_takes_who_and_which_device() -> None:
    said_no, said_yes, unsaid = store(
        track(consent={"analytics": False}, linked={"user": "7"}, seq=9),
        track(consent={"analytics": True}),
        track(),
        identifiers={"user": "42"},
        device={"id": "d", "os": "iOS"},
        session_id="s",
    )

    assert (said_no["identifiers"], said_no["linked"], said_no["session_id"], said_no["seq"]) == (
        {},
        {},
        "",
        0,
    )
    assert said_no["device"] == {"os": "iOS"}
    for row in (said_yes, unsaid):
        assert row["identifiers"] == {"user": "42"}
        assert row["device"] == {"id": "d", "os": "iOS"}


def test_a_consent_event_keeps_who_withdrew_and_nothing_else_about_them() -> None:
    (row,) = store(
        {
            "type": "consent",
            "consent": {"analytics": False, "marketing": False},
            "seq": 9,
            "page": {"url": "https://shop.example/health?utm_source=x"},
            "properties": {"why": "x"},
        },
        identifiers={"user": "42"},
        device={"id": "d"},
        session_id="s",
    )

    assert (row["identifiers"], row["device"]) == ({"user": "42"}, {"id": "d"})
    assert (row["session_id"], row["seq"], row["page"], row["campaign"], row["properties"]) == (
        "",
        0,
        {},
        {},
        {},
    )


def test_global_privacy_control_says_no_whatever_the_page_says() -> None:
    told, silent = store(track(consent={"marketing": True, "analytics": True}), track(), objects=True)

    assert told["consent"] == {"marketing": False, "analytics": True, "sale": False}
    assert silent["consent"] == {"marketing": False, "sale": False}


def test_where_consent_is_required_silence_is_a_no() -> None:
    unsaid, said_yes = store(
        track(),
        track(consent={"analytics": True}),
        required=True,
        identifiers={"user": "42"},
        device={"id": "d"},
    )

    assert (unsaid["identifiers"], unsaid["device"]) == ({}, {})
    assert (said_yes["identifiers"], said_yes["device"]) == ({"user": "42"}, {"id": "d"})


def test_no_plain_contact_reaches_the_line() -> None:
    rows = store(
        track(linked={"email": "Anna@Example.com"}),
        identifiers={"email": "Anna@Example.com ", "phone": "+49 30 123456", "loyalty": "L-1"},
    )

    assert "anna" not in json.dumps(rows).lower()
    assert "123456" not in json.dumps(rows)
    assert rows[0]["identifiers"]["loyalty"] == "L-1"


def test_a_hashed_and_a_plain_email_meet() -> None:
    hashed = hashlib.sha256(b"anna@example.com").hexdigest()

    plain, from_sdk = store(
        track(identifiers={"email": " Anna@Example.com"}), track(identifiers={"email": hashed})
    )

    assert plain["identifiers"] == from_sdk["identifiers"]
    assert len(plain["identifiers"]["email"]) == 32


def test_the_address_is_cut_to_its_network() -> None:
    (row,) = store(track(), ip="203.0.113.77")

    assert row["ip"] == "203.0.113.0"


def test_a_missing_channel_is_told_from_device_page_and_agent() -> None:
    def channel(user_agent: str = "", **fields: Any) -> str:
        return str(store(track(**fields), user_agent=user_agent)[0]["channel"])

    assert channel(device={"type": "atm"}) == "atm"
    assert channel(device={"type": "kiosk"}) == "kiosk"
    assert channel(device={"type": "pos"}) == "store"
    assert channel(page={"url": "https://shop.example/"}) == "web"
    assert channel(IPHONE, page={"url": "https://shop.example/"}) == "mobile_web"
    assert channel(device={"type": "phone", "app_version": "5.2"}) == "app"
    assert channel() == "api"
    assert channel(channel="branch", device={"type": "atm"}) == "branch"


def test_the_agent_of_the_request_is_recorded() -> None:
    (row,) = store(track(), user_agent=IPHONE)

    assert row["agent"]["os"] == "iOS"
    assert row["agent"]["browser"] == "Mobile Safari"


_texts = st.text(max_size=30)


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "page": st.fixed_dictionaries(
                    {}, optional={"url": _texts, "referrer": _texts, "title": _texts}
                ),
                "identifiers": st.dictionaries(
                    st.sampled_from(["user", "email", "phone", "x"]), _texts, max_size=3
                ),
                "linked": st.dictionaries(st.sampled_from(["user", "email", "phone"]), _texts, max_size=2),
                "consent": st.dictionaries(st.sampled_from(["analytics", "ads"]), st.booleans(), max_size=2),
                "properties": st.dictionaries(_texts, _texts | st.integers(), max_size=3),
                "device": st.fixed_dictionaries({}, optional={"id": _texts, "type": _texts}),
            },
        ),
        max_size=5,
    ),
    st.text(st.characters(codec=None), max_size=60),
    _texts,
)
def test_whatever_comes_in_each_event_is_one_line(
    events: list[dict[str, Any]], user_agent: str, ip: str
) -> None:
    rows = store(*[track(**event) for event in events], user_agent=user_agent, ip=ip)

    assert len(rows) == len(events)
    assert [row["properties"] for row in rows] == [event.get("properties", {}) for event in events]
