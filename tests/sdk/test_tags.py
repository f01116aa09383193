"""What every event carries: time, id, counter, session, person, device, channel, stage."""

from __future__ import annotations

import enum
import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline import Campaign, ConfigurationError, Device, InvalidEvent, Page, Scope
from stitchline._ids import IdSource, TimeText
from stitchline.testing import RecordingClient

PHONE = {"type": "phone"}


class Clock:
    """Nanoseconds since 1970 that move when told to."""

    def __init__(self) -> None:
        self.ns = 1_795_000_000_000_000_000

    def __call__(self) -> int:
        return self.ns

    def pass_s(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)


@given(st.lists(st.integers(0, 2**48 - 5000), min_size=1, max_size=200))
def test_ids_are_uuid7_of_their_millisecond_and_rise_unless_the_clock_is_corrected(times: list[int]) -> None:
    source = IdSource()
    for ms in times:
        first, second = source.next(ms), source.next(ms)
        assert first < second
        assert uuid.UUID(first).version == 7
        assert uuid.UUID(first).variant == uuid.RFC_4122
        assert abs((uuid.UUID(first).int >> 80) - ms) <= 10_001


def test_a_burst_within_one_millisecond_gives_rising_ids() -> None:
    source = IdSource()
    ids = [source.next(1_795_000_000_000) for _ in range(20_000)]
    assert ids == sorted(set(ids))


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_text_is_the_millisecond_in_utc(ms: int) -> None:
    parsed = datetime.fromisoformat(TimeText().render(ms))
    assert parsed == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def test_an_event_carries_id_time_counter_session_channel_and_device() -> None:
    client = RecordingClient(channel="atm", device={"id": "atm-7", "type": "atm"}, clock=Clock())
    client.track("cash_withdrawn", {"amount": 50}, stage="use")
    event = client.events[0]
    assert uuid.UUID(event.event_id).version == 7
    assert event.occurred_at == "2026-11-18T11:06:40.000Z"
    assert event.seq == 1
    assert event.session_id == client.session_id
    assert (event.channel, event.stage, event.device["id"], event.device["type"]) == (
        "atm",
        "use",
        "atm-7",
        "atm",
    )


def test_the_device_is_filled_in_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_AT.UTF-8")
    monkeypatch.setenv("TZ", "Europe/Vienna")
    device = RecordingClient(app_version="2.0").device
    assert (device.locale, device.timezone, device.app_version, device.type) == (
        "de-AT",
        "Europe/Vienna",
        "2.0",
        "server",
    )
    assert device.os
    assert device.os_version


@pytest.mark.parametrize(("kind", "silence_s"), [("phone", 1800), ("kiosk", 120), ("atm", 120), ("pos", 120)])
def test_silence_ends_a_session_sooner_on_a_shared_device(kind: str, silence_s: int) -> None:
    clock = Clock()
    client = RecordingClient(device={"type": kind}, clock=clock)
    for wait_s in (0, silence_s, silence_s + 1):
        clock.pass_s(wait_s)
        client.track("seen")
    first, within, after = [event.session_id for event in client.events]
    assert first == within != after


def test_the_silence_can_be_chosen() -> None:
    clock = Clock()
    client = RecordingClient(device=PHONE, session_timeout_s=5, clock=clock)
    client.track("a")
    clock.pass_s(6)
    client.track("b")
    assert client.events[0].session_id != client.events[1].session_id


def test_a_clock_that_is_set_back_ends_no_session() -> None:
    clock = Clock()
    client = RecordingClient(device=PHONE, clock=clock)
    client.track("a")
    clock.pass_s(-86400)
    client.track("b")
    assert client.events[0].session_id == client.events[1].session_id


def test_logout_names_who_left_then_begins_another_session_with_nobody() -> None:
    client = RecordingClient(device=PHONE)
    client.identify(user="42", email="alice@example.org")
    client.logout()
    client.track("browsing")
    login, logout, after = client.events
    assert logout.identifiers == login.identifiers != {}
    assert logout.session_id == login.session_id != after.session_id
    assert after.identifiers == {}


def test_identify_adds_to_a_person_and_another_login_is_another_person() -> None:
    client = RecordingClient(device=PHONE)
    client.identify(email="alice@example.org")
    client.identify(user="42")
    assert set(client.events[-1].identifiers) == {"email", "user"}
    client.identify(user="43")
    client.track("x")
    assert client.events[-1].identifiers == {"user": "43"}


def test_identify_without_anybody_makes_no_claim_and_forgets_nobody() -> None:
    client = RecordingClient(device=PHONE, debug=False)
    client.identify(user="42")
    assert client.identify(user=None) is False
    assert client.identify(user="null") is False
    client.track("x")
    assert [event.type for event in client.events] == ["identify", "track"]
    assert client.events[-1].identifiers == {"user": "42"}
    assert client.losses == {"invalid": 2, "identifier_refused": 1}


def test_a_server_speaks_for_many_and_remembers_nobody() -> None:
    client = RecordingClient()
    client.identify(user="42")
    client.consent({"analytics": True})
    client.track("job_done")
    identify, consent, job = client.events
    assert identify.identifiers == {"user": "42"}
    assert consent.consent == {"analytics": True}
    assert job.identifiers == {}
    assert job.consent == {}
    assert job.session_id is None


def test_who_is_named_in_a_call_replaces_everyone_remembered_for_that_event_only() -> None:
    client = RecordingClient(device=PHONE)
    client.identify(user="42", email="alice@example.org")
    client.track("gift", user="43")
    client.track("mine")
    assert client.events[1].identifiers == {"user": "43"}
    assert client.events[2].identifiers == client.events[0].identifiers


def test_another_device_gets_no_counter_that_only_it_could_know() -> None:
    client = RecordingClient(device=PHONE)
    client.track("here")
    client.track("there", device_id="kiosk-9")
    client.track("here")
    assert [event.seq for event in client.events] == [1, 0, 2]
    assert client.events[1].device == {"id": "kiosk-9"}


def test_link_and_unlink_name_the_other_side() -> None:
    client = RecordingClient(device=PHONE)
    client.link({"device": "tv-1", "email": "Alice@example.org"})
    client.unlink({"user": 42}, properties={"reason": "wrong person"})
    link, unlink = client.events
    assert (link.type, link.linked["device"], len(link.linked["email"])) == ("link", "tv-1", 64)
    assert (unlink.type, unlink.linked, unlink.properties) == (
        "unlink",
        {"user": "42"},
        {"reason": "wrong person"},
    )


def test_consent_is_carried_by_later_events_and_added_to() -> None:
    client = RecordingClient(device=PHONE, consent={"analytics": True})
    client.consent({"marketing": False})
    client.track("x")
    assert client.events[-1].consent == {"analytics": True, "marketing": False}


def test_page_campaign_time_and_id_can_be_given() -> None:
    client = RecordingClient()
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone(timedelta(hours=2)))
    known = uuid.uuid4()
    client.page(
        "Home", page=Page(url="https://x.example/", title="X"), campaign={"source": "news"}, event_id=known
    )
    client.screen("Menu", occurred_at=moment, campaign=Campaign(medium="email"))
    page, screen = client.events
    assert (page.page, page.campaign, page.event_id) == (
        {"url": "https://x.example/", "title": "X"},
        {"source": "news"},
        str(known),
    )
    assert (screen.occurred_at, screen.campaign) == ("2026-01-02T01:04:05.678Z", {"medium": "email"})


def test_properties_are_a_snapshot() -> None:
    client = RecordingClient()
    properties = {"items": ["a"]}
    client.track("x", properties)
    properties["items"].append("b")
    assert client.events[0].properties == {"items": ["a"]}


def test_properties_may_hold_what_programs_hold() -> None:
    client = RecordingClient()
    client.track(
        "x",
        {
            "at": datetime(2026, 1, 1, tzinfo=UTC),
            "price": Decimal("9.90"),
            "id": uuid.UUID(int=7),
            "nan": math.nan,
        },
    )
    assert client.events[0].properties == {
        "at": "2026-01-01T00:00:00Z",
        "price": "9.90",
        "id": str(uuid.UUID(int=7)),
        "nan": None,
    }


class Word(enum.StrEnum):
    NAME = "a_name"
    STAGE = "a_stage"


def test_words_may_come_from_an_enum() -> None:
    client = RecordingClient()
    client.track(Word.NAME, stage=Word.STAGE)
    assert (client.events[0].name, client.events[0].stage) == ("a_name", "a_stage")


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("name", {"name": ""}, "text that is not empty"),
    ("name", {"name": 7}, "text that is not empty"),
    ("name", {"name": "\ud800"}, "surrogates"),
    ("properties", {"properties": [1]}, "mapping"),
    ("properties", {"properties": {"x": object()}}, "JSON"),
    ("properties", {"properties": {"x": Unprintable()}}, "JSON"),
    ("properties", {"properties": {"x": "\ud800"}}, "JSON"),
    ("properties", {"properties": cyclic()}, "less deeply"),
    ("properties", {"properties": {"x": "y" * 70_000}}, "65536 bytes"),
    ("stage", {"stage": 3}, "text"),
    ("channel", {"channel": ""}, "text"),
    ("session_id", {"session_id": b"x"}, "text"),
    ("identifiers", {"identifiers": ["a"]}, "mapping"),
    ("identifiers.user", {"user": 1.5}, "whole number"),
    ("identifiers.user", {"user": True}, "whole number"),
    ("identifiers.user", {"user": "null"}, "names somebody"),
    ("identifiers.phone", {"phone": "12"}, "possible number"),
    ("device", {"device": {"colour": "red"}}, "colour"),
    ("device", {"device": {"type": "fridge"}}, "fridge"),
    ("device", {"device": "phone"}, "mapping"),
    ("device_id", {"device_id": "a", "device": {"id": "b"}}, "or device"),
    ("page", {"page": {"uri": "x"}}, "uri"),
    ("campaign", {"campaign": {"source": 1}}, "str"),
    ("occurred_at", {"occurred_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - the point
    ("occurred_at", {"occurred_at": "yesterday"}, "datetime"),
    ("event_id", {"event_id": "7"}, "UUID"),
    ("emial", {"emial": "alice@example.org"}, "tags are"),
]


@pytest.mark.parametrize(("field", "wrong", "advice"), WRONG)
def test_in_debug_a_wrong_value_raises_at_the_call_and_says_what_to_do(
    field: str, wrong: dict[str, Any], advice: str
) -> None:
    client = RecordingClient(debug=True)
    with pytest.raises(InvalidEvent, match=advice) as raised:
        client.track(**({"name": "x"} | wrong))
    assert raised.value.field == field
    assert len(str(raised.value)) < 400
    assert client.events == []


@pytest.mark.parametrize("wrong", [wrong for _, wrong, _ in WRONG])
def test_in_production_a_wrong_value_is_counted_and_never_raised(wrong: dict[str, Any]) -> None:
    client = RecordingClient(debug=False)
    client.track(**({"name": "x"} | wrong))
    assert sum(client.losses.values()) == 1


@given(st.text(), st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))))  # fmt: skip
def test_any_json_is_queued_or_counted_and_never_raises(name: str, properties: dict[str, Any]) -> None:
    client = RecordingClient(debug=False)
    queued = client.track(name, properties)
    assert (len(client.events), sum(client.losses.values())) == ((1, 0) if queued else (0, 1))


def test_a_scope_speaks_for_one_person_on_one_device() -> None:
    client = RecordingClient(channel="api")
    scope = client.scope(
        device_id="d1", user="42", channel="web", session_id="s1", consent={"analytics": True}
    )
    scope.track("a")
    client.track("b")
    inside, outside = client.events
    assert (inside.device["id"], inside.identifiers, inside.channel, inside.session_id, inside.consent) == (
        "d1",
        {"user": "42"},
        "web",
        "s1",
        {"analytics": True},
    )
    assert inside.seq == 0
    assert (outside.device["id"], outside.identifiers, outside.channel) == ("recording-device", {}, "api")


def test_a_scope_remembers_an_identify_until_logout() -> None:
    scope_client = RecordingClient()
    scope = scope_client.scope(device_id="d1", session_id="s1")
    scope.identify(user="42")
    scope.track("a")
    scope.logout()
    scope.track("b")
    before, after = scope_client.events[1], scope_client.events[3]
    assert (before.identifiers, before.session_id) == ({"user": "42"}, "s1")
    assert after.identifiers == {}
    assert after.session_id == scope.session_id != "s1"


def test_a_bound_scope_holds_inside_its_block_and_for_its_own_client_only() -> None:
    client, other = RecordingClient(), RecordingClient()
    with client.scope(user="1") as outer:
        with client.scope(user="2"):
            client.track("inner")
        with other.scope(user="9"):
            client.track("outer")
        other.track("other")
    client.track("none")
    assert isinstance(outer, Scope)
    assert [event.identifiers for event in client.events] == [{"user": "2"}, {"user": "1"}, {}]
    assert other.events[0].identifiers == {}


def test_a_scope_with_a_wrong_value_goes_without_it_in_production() -> None:
    client = RecordingClient(debug=False)
    scope = client.scope(user="null", device={"colour": "red"})
    assert scope.track("still here")
    assert client.losses == {"identifier_refused": 1, "invalid": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_batch_events": 0},
        {"max_batch_events": 1000},
        {"flush_interval_s": -1},
        {"timeout_s": "soon"},
        {"max_retries": -1},
        {"on_drop": 3},
        {"device": {"type": "fridge"}},
        {"channel": ""},
        {"consent": {"analytics": "yes"}},
        {"identifiers": {"user": 1.5}},
    ],
)
def test_a_setting_that_could_never_work_is_refused_when_the_client_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RecordingClient(**wrong)


def test_a_device_may_be_given_as_a_struct() -> None:
    client = RecordingClient(device=Device(id="k", type="kiosk", model="K1"))
    assert (client.device.id, client.device.model) == ("k", "K1")


SURROGATE = "\ud800"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.track(SURROGATE),
        lambda client: client.track("x", {"note": SURROGATE}),
        lambda client: client.track("x", user=SURROGATE),
        lambda client: client.track("x", email=f"{SURROGATE}@example.org"),
        lambda client: client.track("x", identifiers={SURROGATE: "1"}),
        lambda client: client.track("x", stage=SURROGATE),
        lambda client: client.track("x", page={"url": SURROGATE}),
        lambda client: client.track("x", device_id=SURROGATE),
        lambda client: client.identify(SURROGATE),
        lambda client: client.link({"user": SURROGATE}),
        lambda client: client.consent({SURROGATE: True}),
    ],
)
def test_a_text_without_a_form_in_utf8_is_counted_and_raises_only_in_debug(call: Any) -> None:
    client = RecordingClient(debug=False)
    assert call(client) is False
    assert client.losses == {"invalid": 1}
    with pytest.raises(InvalidEvent, match="surrogates"):
        call(RecordingClient())


def test_an_event_keeps_its_parts_as_they_were_at_the_call() -> None:
    client = RecordingClient()
    page, device = {"url": "https://a.example/1", "title": None, "referrer": ""}, {"id": "d1"}
    client.track("x", page=page, device=device)
    page["url"], device["id"] = "https://a.example/2", "d2"
    client.track("x", page=page, device=device)
    assert [event.page for event in client.events] == [{"url": f"https://a.example/{n}"} for n in (1, 2)]
    assert [event.device["id"] for event in client.events] == ["d1", "d2"]


def test_a_scope_with_a_wrong_person_still_speaks() -> None:
    client = RecordingClient(debug=False)
    assert client.scope(user=SURROGATE).track("x") is True
    assert client.events[0].identifiers == {}
