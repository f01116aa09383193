"""Bytes of other clients' messages -> our events: the rules of docs/clients.md, one by one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.decode import Decoded, Limits, Unreadable
from stitchline_collector.dialects import posthog, read_again, segment, snowplow
from stitchline_collector.dialects.opened import Opened
from stitchline_collector.wire import Event

WHEN = "2026-11-22T10:00:00Z"
ANONYMOUS = "7b0a3a90-95d3-4d7a-8b1c-5a1e5a1e5a1e"
OTHER = "0199aabb-0000-7000-8000-000000000001"
LIMITS = Limits()


def segments(*messages: Any, **around: Any) -> Decoded:
    return segment.open_body(json.dumps({"batch": messages, **around}).encode()).decoded("web", LIMITS)


def segment_event(**fields: Any) -> Event:
    found = segments({"type": "track", "event": "x", "userId": "u", "timestamp": WHEN, **fields})
    assert found.rejected == []
    return found.events[0]


def posthog_event(event: str = "x", distinct: str = "u", top: Any = None, **properties: Any) -> Event:
    body = {
        "event": event,
        "distinct_id": distinct,
        "timestamp": WHEN,
        "properties": properties,
        **(top or {}),
    }
    found = posthog.open_body(json.dumps(body).encode(), {}, "", 1 << 20).decoded("web", LIMITS)
    assert found.rejected == []
    return found.events[0]


def snowplow_event(**fields: Any) -> Event:
    body = json.dumps(
        {"data": [{"tv": "x", "p": "web", "e": "pv", "dtm": "1795341600123", **fields}]}
    ).encode()
    found = snowplow.open_body(body).decoded("web", LIMITS)
    assert found.rejected == []
    return found.events[0]


def properties(event: Event) -> Any:
    return json.loads(bytes(event.properties))


def test_an_id_that_is_no_uuid_makes_the_same_id_each_time_and_another_for_another_source() -> None:
    body = json.dumps(
        {
            "batch": [
                {"type": "track", "event": "x", "messageId": "order-17", "timestamp": "2026-11-22T10:00:00Z"}
            ]
        }
    ).encode()
    ids = [
        segment.open_body(body).decoded(source, LIMITS).events[0].event_id for source in ("web", "web", "app")
    ]
    assert ids[0] is not None
    assert (ids[0] == ids[1], ids[0] == ids[2], ids[0].version) == (True, False, 8)


def test_an_id_that_is_a_uuid_stays_as_it_is() -> None:
    assert str(segment_event(messageId=ANONYMOUS).event_id) == ANONYMOUS
    assert str(posthog_event(top={"uuid": ANONYMOUS}).event_id) == ANONYMOUS
    assert str(snowplow_event(eid=ANONYMOUS).event_id) == ANONYMOUS


LEAF: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 10**6).map(lambda number: f"leaf-{number}"), st.booleans(), st.none(), st.just({})
)
NAMES = st.sampled_from(
    "device os app screen page campaign traits consent id type name version url title model locale width x segment".split()
)
CONTEXT = st.recursive(LEAF, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


@given(st.dictionaries(NAMES, CONTEXT, max_size=5), st.dictionaries(NAMES, CONTEXT, max_size=3))
def test_nothing_that_a_segment_message_says_is_lost(
    context: dict[str, Any], unknown: dict[str, Any]
) -> None:
    told = {f"x_{name}": value for name, value in unknown.items()}
    event = segment_event(context=context, properties={"segment": "own", **unknown}, **told)
    kept = json.dumps(
        [properties(event), str(event.device), str(event.page), str(event.campaign), event.consent]
    )
    for leaf in _leaves([context, told, unknown]):
        assert leaf in kept
    assert properties(event)["segment"] == unknown.get("segment", "own")


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in _leaves(one)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in _leaves(one)]
    return [value] if isinstance(value, str) else []


def test_a_text_too_long_for_its_column_stays_in_properties() -> None:
    event = segment_event(context={"device": {"model": "m" * 300}})
    assert event.device.model == ""  # type: ignore[union-attr]
    assert properties(event)["segment"]["context"]["device"]["model"] == "m" * 300


def test_what_rudder_s_browser_client_writes_where_there_is_nothing_is_nothing() -> None:
    """It writes `$direct` for no referrer, and its own name and version for the app's."""
    event = segment_event(
        context={
            "app": {"namespace": "com.rudderlabs.javascript", "version": "3.34.1"},
            "page": {"url": "https://shop.example/", "referrer": "$direct"},
        }
    )
    assert (event.device.app_version, event.page.referrer) == ("", "")  # type: ignore[union-attr]
    context = properties(event)["segment"]["context"]
    assert (context["app"]["version"], context["page"]["referrer"]) == ("3.34.1", "$direct")


def test_each_message_has_its_own_page_where_all_else_around_them_is_the_same() -> None:
    def around(page: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"type": "track", "event": "x", "context": {"page": page, "locale": "de-DE", "n": 1, **more}}

    usual = {"path": "/a", "referrer": "", "search": "?b", "title": "A", "url": "https://shop.example/a?b"}
    found = segments(
        around(usual),
        around({**usual, "path": "", "search": "", "url": "https://shop.example/"}),
        around({**usual, "tab": "2"}),  # a field that Segment's client does not send
        around({**usual, "title": "t" * 3000}),  # longer than its column
        around(usual, copy=usual),
        around({}),
    )
    assert found.rejected == []
    pages = [(event.page.url, event.page.title) if event.page else None for event in found.events]
    url = usual["url"]
    assert pages == [(url, "A"), ("https://shop.example/", "A"), (url, "A"), (url, ""), (url, "A"), None]
    kept = [properties(event)["segment"]["context"] for event in found.events]
    both = {"path": "/a", "search": "?b"}
    assert [one.get("page") for one in kept] == [
        both,
        None,
        {**both, "tab": "2"},
        {**both, "title": "t" * 3000},
        both,
        None,
    ]
    assert [one["n"] for one in kept] == [1] * 6
    assert kept[4]["copy"] == {name: value for name, value in usual.items() if value}
    assert len({event.device for event in found.events}) == 1


def test_the_context_of_a_batch_is_that_of_its_messages_where_they_have_none() -> None:
    found = segments(
        {"type": "track", "event": "x", "context": {"locale": "fr-FR"}},
        {"type": "track", "event": "y"},
        context={"locale": "de-DE", "timezone": "Europe/Berlin"},
    )
    assert [(event.device.locale, event.device.timezone) for event in found.events] == [  # type: ignore[union-attr]
        ("fr-FR", "Europe/Berlin"),
        ("de-DE", "Europe/Berlin"),
    ]


@pytest.mark.parametrize(
    ("given_time", "stored"),
    [
        ("2026-11-22T10:00:00.123Z", "2026-11-22T10:00:00.123000+00:00"),
        ("2026-11-22T10:00:00", "2026-11-22T10:00:00+00:00"),
        (1795341600, "2026-11-22T10:00:00+00:00"),
        (1795341600123, "2026-11-22T10:00:00.123000+00:00"),
        ("1795341600123", "2026-11-22T10:00:00.123000+00:00"),
    ],
)
def test_times_in_the_ways_that_clients_write_them(given_time: Any, stored: str) -> None:
    event = segment_event(timestamp=given_time)
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == stored


@pytest.mark.parametrize("no_time", ["soon", 10**400, -(10**20)])
def test_a_time_that_is_none_rejects_the_event_alone(no_time: Any) -> None:
    found = segments({"type": "track", "event": "x", "timestamp": no_time}, {"type": "track", "event": "y"})
    assert [event.name for event in found.events] == ["y"]
    assert found.rejected[0].rejection.path == "$.batch[0].timestamp"


def test_without_any_time_an_event_happens_when_it_was_sent_or_arrives() -> None:
    message = {"type": "track", "event": "x", "messageId": ANONYMOUS}
    assert segments(message).events[0].event_id is None
    sent = segments(message, sentAt=WHEN).events[0]
    assert (str(sent.event_id), sent.occurred_at is not None) == (ANONYMOUS, True)


def test_what_went_through_a_server_has_the_device_s_time_in_another_field() -> None:
    times = {"timestamp": "2026-11-22T10:00:00Z", "originalTimestamp": "2026-11-22T09:00:00Z"}
    assert segment_event(**times).occurred_at.hour == 10  # type: ignore[union-attr]
    assert segment_event(**times, receivedAt="2026-11-22T10:00:01Z").occurred_at.hour == 9  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("previous", "user", "linked"),
    [
        (ANONYMOUS, "42", {"anonymous": ANONYMOUS}),
        ("former", "42", {"user": "former"}),
        (ANONYMOUS, OTHER, {"anonymous": ANONYMOUS, "user": ANONYMOUS}),
    ],
)
def test_an_alias_names_a_user_or_somebody_unknown(previous: str, user: str, linked: dict[str, str]) -> None:
    event = segments({"type": "alias", "previousId": previous, "userId": user}).events[0]
    assert (event.type, event.identifiers, event.linked) == ("link", {"user": user}, linked)


def test_rudder_s_merge_joins_its_two_sides() -> None:
    sides = [{"type": "email", "value": "ada@example.org"}, {"type": "mobile", "value": "+4930123456"}]
    event = segments({"type": "merge", "mergeProperties": sides}).events[0]
    assert (event.type, event.identifiers, event.linked) == (
        "link",
        {"email": "ada@example.org"},
        {"phone": "+4930123456"},
    )


def test_a_group_is_nobody() -> None:
    event = segments(
        {"type": "group", "groupId": "acme", "userId": "42", "traits": {"email": "x@acme.com"}}
    ).events[0]
    assert event.identifiers == {"user": "42"}
    assert properties(event)["segment"]["groupId"] == "acme"


def test_consent_is_read_from_the_context() -> None:
    event = segment_event(context={"consent": {"categoryPreferences": {"Analytics": False, "Ads": True}}})
    assert event.consent == {"analytics": False, "ads": True}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {"user": OTHER}),
        ({"$is_identified": False}, {"anonymous": OTHER}),
        ({"$is_identified": True, "$device_id": OTHER}, {"user": OTHER}),
        ({"$user_state": "anonymous"}, {"anonymous": OTHER}),
        ({"$device_id": OTHER}, {"anonymous": OTHER}),
        ({"$process_person_profile": False}, {"anonymous": OTHER}),
    ],
)
def test_whether_a_distinct_id_is_a_user_s(said: dict[str, Any], expected: dict[str, str]) -> None:
    assert posthog_event(distinct=OTHER, **said).identifiers == expected


def test_posthog_s_sign_in_joins_the_unknown_one_to_the_user() -> None:
    event = posthog_event("$identify", "42", **{"$anon_distinct_id": ANONYMOUS, "$device_id": OTHER})
    assert (event.type, event.identifiers) == ("identify", {"user": "42", "anonymous": ANONYMOUS})
    assert event.device.id == OTHER  # type: ignore[union-attr]


def test_posthog_s_offset_counts_from_when_it_was_sent() -> None:
    body = json.dumps({"event": "x", "distinct_id": "u", "offset": 1500}).encode()
    found = posthog.open_body(body, {"_": "1795341601500"}, "", 1 << 20).decoded("web", LIMITS)
    assert found.events[0].occurred_at is not None
    assert found.events[0].occurred_at.isoformat() == "2026-11-22T10:00:00+00:00"


def test_snowplow_s_json_may_be_base64_and_its_entities_have_the_names_of_its_tables() -> None:
    inner = {"schema": "iglu:com.acme/orderPlaced/jsonschema/1-0-0", "data": {"total": 1}}
    session = {
        "schema": "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
        "data": {"userId": "i-1", "sessionId": "s-1"},
    }
    wrapped = json.dumps({"schema": "iglu:x/unstruct_event/jsonschema/1-0-0", "data": inner})
    contexts = json.dumps({"schema": "iglu:x/contexts/jsonschema/1-0-1", "data": [session, 17]})
    event = snowplow_event(
        e="ue",
        p="mob",
        ue_px=base64.urlsafe_b64encode(wrapped.encode()).decode().rstrip("="),
        cx=base64.urlsafe_b64encode(contexts.encode()).decode(),
    )
    assert (event.name, event.session_id, event.device.id, event.channel) == (  # type: ignore[union-attr]
        "orderPlaced",
        "s-1",
        "i-1",
        "app",
    )
    kept = properties(event)
    assert kept["total"] == 1
    assert kept["snowplow"]["contexts"] == [17]
    (entity,) = kept["snowplow"]["contexts_com_snowplowanalytics_snowplow_client_session_1"]
    assert entity["_schema_version"] == "1-0-2"


@pytest.mark.parametrize("missing", ["tv", "p", "e"])
def test_a_snowplow_event_without_what_is_required_is_rejected(missing: str) -> None:
    event = {"tv": "x", "p": "web", "e": "pv"}
    del event[missing]
    found = snowplow.open_body(json.dumps({"data": [event]}).encode()).decoded("web", LIMITS)
    assert found.rejected[0].rejection.path == f"$.data[0].{missing}"


REJECTED: dict[str, tuple[str, Callable[[bytes], Opened]]] = {
    "segment": (
        json.dumps({"batch": [{"type": "track", "event": "x", "properties": {"t": "x" * 70_000}}]}),
        segment.open_body,
    ),
    "snowplow": (
        json.dumps({"data": [{"tv": "x", "p": "web", "e": "se", "se_ac": "x", "se_la": "x" * 70_000}]}),
        snowplow.open_body,
    ),
    "posthog": (
        json.dumps({"event": "x", "distinct_id": "u", "properties": {"t": "x" * 70_000}}),
        lambda body: posthog.open_body(body, {}, "", 1 << 20),
    ),
}


@pytest.mark.parametrize("dialect", REJECTED)
def test_what_was_rejected_can_be_read_again_once_the_limit_is_raised(dialect: str) -> None:
    body, open_body = REJECTED[dialect]
    (rejected,) = open_body(body.encode()).decoded("web", LIMITS).rejected
    assert "too large" in rejected.rejection.reason
    again = read_again(dialect, rejected.raw, "web", Limits(max_event_bytes=200_000))
    assert again is not None
    assert ([event.name for event in again.events], again.rejected) == (["x"], [])


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda one: (
            st.lists(one)
            | st.dictionaries(st.sampled_from("batch data type event properties context traits".split()), one)
        ),
    ).map(lambda one: json.dumps(one).encode())
)
def test_whatever_comes_is_read_rejected_or_unreadable(body: bytes) -> None:
    for open_body in (
        segment.open_body,
        lambda one: segment.open_body(one, "track"),
        snowplow.open_body,
        lambda one: posthog.open_body(one, {}, "", 1 << 20),
    ):
        try:
            found = open_body(body).decoded("web", LIMITS)
        except Unreadable:
            continue
        assert all(isinstance(event, Event) for event in found.events)
