"""Decoding: what a batch held comes out as events and rejections, whatever it held."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.decode import Decoded, Limits, TooManyEvents, Unreadable, decode, time_of
from stitchline_collector.decode import _one_by_one as slow_path

LIMITS = Limits(max_batch_events=50, max_event_bytes=4096, max_json_depth=8)
V7 = "0192f3d2-7c4b-7d22-8000-000000000001"


def batch(*events: Any, **envelope: Any) -> bytes:
    return json.dumps({**envelope, "events": list(events)}, ensure_ascii=False).encode()


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "name": "product_viewed", **fields}


def only_rejection(decoded: Decoded) -> tuple[str, str]:
    assert len(decoded.rejected) == 1
    rejection = decoded.rejected[0].rejection
    return rejection.reason, rejection.path


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    assert isinstance(value, dict)
    return value


# -- the sum ------------------------------------------------------------------------------------------------------

_json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_good = st.builds(
    lambda name, properties, seq: json.dumps(track(name=name, properties=properties, seq=seq)).encode(),
    st.text("abc_é\n\t", min_size=1, max_size=40),
    st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20), max_size=4),
    st.integers(0, 2**63 - 1),
)
_any_object = st.dictionaries(
    st.sampled_from(
        ["type", "name", "event_id", "occurred_at", "device", "identifiers", "properties", "page", "x"]
    ),
    _json_values,
    max_size=6,
).map(lambda value: json.dumps(value).encode())
_any_value = _json_values.map(lambda value: json.dumps(value).encode())
_spoilt = st.sampled_from(
    [
        json.dumps(track(naem="misspelt")).encode(),
        json.dumps(track(seq="1")).encode(),
        json.dumps(track(properties=nested(9))).encode(),
        json.dumps(track(properties=nested(300))).encode(),
        json.dumps(track(properties={"a": "x" * 5000})).encode(),
        json.dumps(track(device={"id": 5})).encode(),
        json.dumps(track(event_id="not a uuid")).encode(),
        b'{"type":"track","name":"\xff\xfe"}',
        b'{"type":"track","name":"x","properties":{"\xc3\x28":1}}',
        b'{"type":"track","name":"cut inside an emoji \\ud83d"}',
        b'{"type":"track","name":"x","properties":{"a":"\\ude00"}}',
        b'{"type":"track","type":"page","name":"twice","name":"other"}',
        b'{"type":"track","name":"x","properties":{"a":1,"a":2}}',
        b'{"type":"track","name":"x","properties":null}',
        b'{"type":"link","name":"x"}',
        b'{"type":"track","name":"x","event_id":"ffffffff-ffff-7fff-bfff-ffffffffffff"}',
        b'{"type":"track","name":"x","occurred_at":"0001-01-01T00:00:00+14:00"}',
        b'{"type":"track","name":"x","occurred_at":"2026-11-22T10:00:00"}',
    ]
)
_defaults = st.sampled_from(
    [
        b"",
        b'"sent_at":"2026-11-22T10:00:00Z",',
        b'"sent_at":"yesterday",',
        b'"sent_at":"9999-12-31T23:59:59Z",',
        b'"device":{"id":"d","model":"\xff"},',
        b'"device":{"id":"\\ud83d"},',
        b'"identifiers":{"user":7},',
        b'"consent":{"analytics":true},"channel":null,',
    ]
)


@given(_defaults, st.lists(_good | _any_object | _any_value | _spoilt, max_size=12))
def test_events_and_rejections_add_up_whatever_the_batch_held(defaults: bytes, events: list[bytes]) -> None:
    decoded = decode(b"{" + defaults + b'"events":[' + b",".join(events) + b"]}", LIMITS)

    assert len(decoded.events) + len(decoded.rejected) == len(events)
    assert [r.rejection.index for r in decoded.rejected] == sorted(
        {r.rejection.index for r in decoded.rejected}
    )
    assert all(r.rejection.reason and r.rejection.path.startswith("$") for r in decoded.rejected)


@given(_defaults, st.lists(_good | _any_object | _any_value | _spoilt, max_size=8))
def test_what_was_rejected_is_kept_as_a_batch_of_one_with_the_same_fault(
    defaults: bytes, events: list[bytes]
) -> None:
    decoded = decode(b"{" + defaults + b'"events":[' + b",".join(events) + b"]}", LIMITS)

    for rejected in decoded.rejected:
        again = decode(rejected.raw, LIMITS)
        assert again.events == []
        assert again.rejected[0].rejection.path == rejected.rejection.path.replace(
            f"[{rejected.rejection.index}]", "[0]", 1
        )


@given(st.lists(_good, min_size=1, max_size=12))
def test_both_paths_agree_on_sound_batches(events: list[bytes]) -> None:
    body = b'{"sent_at":"2026-11-22T10:00:00Z","device":{"id":"d"},"events":[' + b",".join(events) + b"]}"

    fast, slow = decode(body, LIMITS), slow_path(body, LIMITS)

    assert fast.rejected == slow.rejected == []
    assert [msgspec.json.encode(event) for event in fast.events] == [
        msgspec.json.encode(event) for event in slow.events
    ]
    assert (fast.defaults.device, fast.defaults.sent_at) == (slow.defaults.device, slow.defaults.sent_at)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_batch_are_unreadable_and_nothing_else(body: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(body, LIMITS)


@given(st.lists(_good | _spoilt, max_size=5), st.data())
def test_a_body_cut_anywhere_is_unreadable(events: list[bytes], data: st.DataObject) -> None:
    body = b'{"events":[' + b",".join(events) + b"]}"
    cut = data.draw(st.integers(0, len(body) - 1))

    with pytest.raises(Unreadable):
        decode(body[:cut], LIMITS)


# -- one fault, one rejection --------------------------------------------------------------------------------------


def test_one_bad_event_never_rejects_its_neighbours() -> None:
    decoded = decode(batch(track(seq=1), track(seq="two"), track(seq=3)), LIMITS)

    assert [event.seq for event in decoded.events] == [1, 3]
    assert decoded.rejected[0].rejection.index == 1


@pytest.mark.parametrize(
    ("event", "path", "words"),
    [
        (track(seq="1"), "$.events[0].seq", "Expected `int`, got `str`"),
        (track(naem="x"), "$.events[0]", "unknown field `naem`"),
        (track(device={"id": "d", "screen_width": -1}), "$.events[0].device.screen_width", ">= 0"),
        (track(identifiers={"user": 42}), "$.events[0].identifiers[...]", "Expected `str`, got `int`"),
        (track(occurred_at="2026-11-22T10:00:00"), "$.events[0].occurred_at", "timezone"),
        (track(occurred_at="1969-12-31T23:59:59Z"), "$.events[0].occurred_at", "outside 1970"),
        (track(properties=[1]), "$.events[0].properties", "Expected `object`"),
        (track(properties=None), "$.events[0].properties", "Expected `object`"),
        (
            track(event_id=str(uuid.UUID(int=4 << 76 | 2 << 62))),
            "$.events[0].occurred_at",
            "occurred_at is missing",
        ),
        (track(event_id="ffffffff-ffff-7fff-bfff-ffffffffffff"), "$.events[0].event_id", "outside 1970"),
        ({"type": "track"}, "$.events[0].name", "needs a name"),
        ({"type": "trak", "name": "x"}, "$.events[0].type", "Invalid enum value"),
        ({"name": "x"}, "$.events[0]", "missing required field `type`"),
        ({"type": "link"}, "$.events[0].linked", "needs `linked`"),
        (7, "$.events[0]", "Expected `object`, got `int`"),
    ],
)
def test_a_rejection_says_what_is_wrong_and_where(event: Any, path: str, words: str) -> None:
    reason, found = only_rejection(decode(batch(event), LIMITS))

    assert found == path
    assert words in reason


def test_a_rejection_carries_the_events_own_id() -> None:
    decoded = decode(batch(track(event_id=V7, seq="1")), LIMITS)

    assert decoded.rejected[0].rejection.event_id == V7


def test_bytes_that_are_not_utf8_reject_only_their_event() -> None:
    decoded = decode(b'{"events":[{"type":"track","name":"a"},{"type":"track","name":"\xff"}]}', LIMITS)

    assert [event.name for event in decoded.events] == ["a"]
    assert "not UTF-8" in only_rejection(decoded)[0]


def test_a_name_around_the_events_that_is_not_utf8_makes_the_body_unreadable() -> None:
    with pytest.raises(Unreadable, match="not UTF-8"):
        decode(b'{"\xffdk":1,"events":[{"type":"track","name":"a"}]}', LIMITS)


@pytest.mark.parametrize(
    ("defaults", "path"),
    [
        (b'"sent_at":"yesterday"', "$.sent_at"),
        (b'"sent_at":"9999-12-31T23:59:59Z"', "$.sent_at"),
        (b'"device":{"id":1}', "$.device.id"),
        (b'"device":{"id":"\xff"}', "$"),
        (b'"identifiers":{"user":null}', "$.identifiers[...]"),
    ],
)
def test_broken_defaults_reject_each_event(defaults: bytes, path: str) -> None:
    decoded = decode(b"{" + defaults + b',"events":[{"type":"track","name":"a"},{"type":"page"}]}', LIMITS)

    assert decoded.events == []
    assert [rejected.rejection.path for rejected in decoded.rejected] == [path, path]


def test_half_an_emoji_becomes_a_replacement_character() -> None:
    decoded = decode(
        b'{"events":[{"type":"track","name":"cut \\ud83d","properties":{"a":"\\ude00"}}]}', LIMITS
    )

    assert decoded.events[0].name == "cut \ufffd"
    assert json.loads(bytes(decoded.events[0].properties)) == {"a": "\ufffd"}


def test_a_whole_emoji_and_an_escaped_backslash_stay_as_they_are() -> None:
    body = b'{"events":[{"type":"track","name":"\\ud83d\\ude00 \\\\ud83d \\ud83d"}]}'

    assert decode(body, LIMITS).events[0].name == "\U0001f600 \\ud83d \ufffd"


def test_pretty_printed_properties_become_one_line() -> None:
    body = json.dumps({"events": [track(properties={"a": {"b": "x\ny"}})]}, indent=2).encode()

    raw = bytes(decode(body, LIMITS).events[0].properties)

    assert b"\n" not in raw
    assert json.loads(raw) == {"a": {"b": "x\ny"}}


def test_pretty_printed_properties_become_one_line_beside_a_rejection_too() -> None:
    body = json.dumps({"events": [track(properties={"a": 1}), {}]}, indent=2).encode()

    assert b"\n" not in bytes(decode(body, LIMITS).events[0].properties)


# -- limits, at the edge -----------------------------------------------------------------------------------------


def test_as_many_events_as_allowed_are_taken_and_one_more_is_too_many() -> None:
    assert len(decode(batch(*[track()] * 50), LIMITS).events) == 50
    with pytest.raises(TooManyEvents, match="51 events"):
        decode(batch(*[track()] * 51), LIMITS)
    with pytest.raises(TooManyEvents):
        decode(batch(*[7] * 51), LIMITS)


def test_properties_as_deep_as_allowed_are_taken_and_one_deeper_is_rejected() -> None:
    assert len(decode(batch(track(properties=nested(8))), LIMITS).events) == 1
    reason, _ = only_rejection(decode(batch(track(properties=nested(9))), LIMITS))
    assert "nested 9 deep" in reason


def test_brackets_in_strings_and_side_by_side_are_not_depth() -> None:
    wide = {"a": [[], [], [], []], "b": {"c": {}}, "d": "[[[[[[[[[[[{{{{{", "e": '\\"[[[[[[[[['}

    assert len(decode(batch(track(properties=wide)), LIMITS).events) == 1


def test_properties_as_large_as_allowed_are_taken_and_one_byte_more_is_rejected() -> None:
    room = 4096 - len('{"a": ""}')
    assert len(decode(batch(track(properties={"a": "x" * room})), LIMITS).events) == 1
    reason, path = only_rejection(decode(batch(track(properties={"a": "x" * (room + 1)})), LIMITS))
    assert "too large" in reason
    assert path.startswith("$.events[0]")


def test_a_large_envelope_is_not_copied_into_a_thousand_rejections() -> None:
    with pytest.raises(Unreadable, match="around the events"):
        decode(batch(*[track()] * 50, device={"id": "x" * 5000}), LIMITS)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"events":null}', b'{"events":{}}', b'{"events":[],"unknown":1}', b"\xff"],
)
def test_a_body_that_is_no_batch_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(body, LIMITS)


def test_a_body_nested_without_end_is_unreadable_and_not_a_crash() -> None:
    with pytest.raises(Unreadable):
        decode(b'{"events":[{"type":"track","name":"x","properties":' + b'{"a":' * 100_000, LIMITS)


def test_the_time_of_a_uuid7_is_its_first_48_bits() -> None:
    made = dt.datetime(2026, 11, 22, 10, 11, 12, 123_000, tzinfo=dt.UTC)
    event_id = uuid.UUID(int=int(made.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62)

    assert time_of(event_id) == made
