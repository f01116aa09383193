"""Hostile bodies: real ones of each protocol, with values put where they do not belong and bytes that went astray.

Out: strategies of bytes. Guaranteed: each begins as a body that is taken, so that what is changed is reached by the parser.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

_WHEN = "2026-11-22T10:00:00.000Z"
_ANONYMOUS = "7b0a3a90-95d3-4d7a-8b1c-5a1e5a1e5a1e"

NATIVE: dict[str, Any] = {
    "sent_at": _WHEN,
    "sdk": {"name": "fuzz", "version": "1"},
    "device": {"id": "fuzz-device", "type": "mobile", "timezone": "Europe/Berlin", "locale": "de-DE"},
    "consent": {"analytics": True},
    "events": [
        {
            "type": "track",
            "name": "added",
            "occurred_at": _WHEN,
            "seq": 7,
            "properties": {"price": 1.5, "a": [{}]},
        },
        {
            "type": "identify",
            "event_id": "0192f3d2-7c4b-7d22-8000-000000000001",
            "identifiers": {"user": "42", "email": "ada@example.org"},
            "channel": "mobile_app",
            "stage": "purchase",
            "session_id": "s1",
        },
        {"type": "link", "identifiers": {"user": "42"}, "linked": {"loyalty": "9"}, "occurred_at": _WHEN},
        {
            "type": "page",
            "name": "home",
            "occurred_at": _WHEN,
            "page": {
                "url": "https://shop.example/?utm_source=x",
                "title": "t",
                "referrer": "https://r.example/",
            },
            "campaign": {"name": "autumn", "source": "mail"},
        },
    ],
}
SEGMENT: dict[str, Any] = {
    "sentAt": _WHEN,
    "writeKey": "fuzz-key",
    "context": {"library": {"name": "analytics.js", "version": "2"}, "locale": "de-DE"},
    "batch": [
        {
            "type": "track",
            "event": "added",
            "messageId": "m-1",
            "anonymousId": _ANONYMOUS,
            "userId": "42",
            "timestamp": _WHEN,
            "properties": {"price": 1.5},
            "context": {
                "page": {"url": "https://shop.example/", "path": "/"},
                "campaign": {"name": "autumn"},
                "device": {"id": "d", "type": "ios"},
                "traits": {"email": "ada@example.org"},
                "sessionId": 1,
            },
            "integrations": {"All": True},
        },
        {"type": "identify", "userId": "42", "traits": {"email": "ada@example.org", "phone": "+4930123"}},
        {"type": "alias", "userId": "42", "previousId": _ANONYMOUS},
        {"type": "group", "userId": "42", "groupId": "g", "traits": {}},
        {
            "type": "page",
            "name": "home",
            "anonymousId": _ANONYMOUS,
            "properties": {"url": "https://shop.example/"},
        },
    ],
}
SNOWPLOW: dict[str, Any] = {
    "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
    "data": [
        {
            "e": "ue",
            "tv": "js-3",
            "p": "web",
            "aid": "fuzz-key",
            "eid": _ANONYMOUS,
            "dtm": "1795341600123",
            "stm": "1795341600999",
            "duid": "d",
            "uid": "42",
            "sid": _ANONYMOUS,
            "url": "https://shop.example/?utm_source=x",
            "ue_pr": json.dumps(
                {
                    "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
                    "data": {"schema": "iglu:shop/added/jsonschema/1-0-0", "data": {"price": 1.5}},
                }
            ),
            "co": '{"schema":"x","data":[{"schema":"iglu:a/b/jsonschema/1-0-0","data":{"id":"1"}}]}',
        },
        {"e": "se", "tv": "js-3", "p": "web", "se_ca": "shop", "se_ac": "add", "se_va": "1.5", "duid": "d"},
        {"e": "pv", "tv": "js-3", "p": "mob", "url": "https://shop.example/", "duid": "d"},
    ],
}
POSTHOG: dict[str, Any] = {
    "api_key": "fuzz-key",
    "historical_migration": False,
    "sent_at": _WHEN,
    "batch": [
        {
            "event": "added",
            "distinct_id": "42",
            "uuid": "0192f3d2-7c4b-7d22-8000-000000000002",
            "timestamp": _WHEN,
            "properties": {
                "$lib": "web",
                "$device_id": "d",
                "$session_id": "s",
                "$current_url": "https://shop.example/",
            },
            "$set": {"email": "ada@example.org"},
        },
        {
            "event": "$identify",
            "distinct_id": "42",
            "properties": {"$anon_distinct_id": _ANONYMOUS},
            "offset": 12,
        },
        {"event": "$create_alias", "distinct_id": "42", "properties": {"alias": "43", "distinct_id": "42"}},
    ],
}

_nested: Any = {"a": 1}
for _ in range(60):
    _nested = {"a": [_nested]}
_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e308, -1e-320, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400),
    *("", " ", "\0", "a\nb", "\u2028", "\ud800", "\U0001f600", "\\", '"', "x" * 70_000, "é" * 300),
    *(
        "<script>alert(1)</script>",
        "'; DROP TABLE events; --",
        "{x:String}",
        "../../etc/passwd",
        "%00",
        "\r\nX: y",
    ),
    *(
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1969-12-31T23:59:59Z",
        "2026-02-30",
        "1e999",
        "NaN",
        "-0",
    ),
    *("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff", "253402300800000"),
    *(
        [],
        {},
        [[]],
        {"": ""},
        {"a": None},
        [None] * 5,
        _nested,
        {"\0": "\ud800"},
        {f"k{i}": i for i in range(300)},
    ),
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in inside for place in _places(inner, (*path, key)))]


@st.composite
def changed_values(draw: st.DrawFn, body: dict[str, Any]) -> bytes:
    """The body with one to three values replaced, removed or added; still JSON, mostly."""
    made: Any = copy.deepcopy(body)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(made)[1:]
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        inside = made
        for step in way:
            inside = inside[step]
        how = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if how == "replace":
            inside[last] = copy.deepcopy(draw(st.sampled_from(_VALUES)))
        elif how == "remove":
            del inside[last]
        elif isinstance(inside, dict):
            name = draw(st.sampled_from(["x", "", "$", "context", "properties", "a" * 300]))
            inside[name] = copy.deepcopy(draw(st.sampled_from(_VALUES)))
        else:
            inside.extend(copy.deepcopy(inside[:1]) * draw(st.integers(1, 3)))
    return json.dumps(made, ensure_ascii=True).encode()


@st.composite
def changed_bytes(draw: st.DrawFn, body: dict[str, Any]) -> bytes:
    """The body with a few bytes changed, cut out, doubled or put in, or cut short."""
    made = bytearray(json.dumps(body).encode())
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(made) - 1)))
        long = draw(st.integers(1, 40))
        how = draw(st.sampled_from(["change", "cut", "double", "put", "end"]))
        if how == "change":
            made[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif how == "cut":
            del made[at : at + long]
        elif how == "double":
            made[at:at] = made[at : at + long]
        elif how == "put":
            made[at:at] = draw(
                st.sampled_from([b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"[" * 2000, b'{"a":' * 900, b"1e9999"])
            )
        else:
            del made[at:]
    return bytes(made)


def hostile(body: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """All of the above, and what is no body at all."""
    return st.one_of(changed_values(body), changed_values(body), changed_bytes(body), st.binary(max_size=200))
