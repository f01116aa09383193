"""What a browser asks before, and reads after, it sends from another site."""

from __future__ import annotations

import urllib.request

import pytest

from tests.processes import CollectorProcess

ORIGIN = {"Origin": "https://shop.example"}
BODY = b'{"events":[{"type":"track","name":"cors"}]}'


def test_a_preflight_allows_key_json_and_compression(service: CollectorProcess) -> None:
    asked = {
        **ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-encoding,content-type",
    }
    status, headers, _ = service.request("OPTIONS", "/v1/events", headers=asked)
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Methods"] == "POST"
    allowed = headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert set(allowed) == {"authorization", "content-type", "content-encoding"}
    assert int(headers["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize(("key", "expected"), [("web-key-1", 200), ("wrong", 401)])
def test_a_page_may_read_every_answer_and_how_long_to_wait(
    service: CollectorProcess, key: str, expected: int
) -> None:
    given = {**ORIGIN, "Authorization": f"Bearer {key}"}
    status, headers, _ = service.request("POST", "/v1/events", BODY, given)
    assert status == expected
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"] == "Retry-After"


def test_a_beacon_brings_its_key_in_the_address_and_text(service: CollectorProcess) -> None:
    given = {**ORIGIN, "Content-Type": "text/plain;charset=UTF-8"}
    request = urllib.request.Request(f"{service.url}/v1/events?key=web-key-1", BODY, given, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert (answer.status, answer.read()) == (200, b'{"accepted":1,"rejected":[]}')


def test_who_is_no_browser_gets_no_headers_for_one(service: CollectorProcess) -> None:
    _, headers, _ = service.request("POST", "/v1/events", BODY)
    assert [name for name in headers if name.startswith("Access-Control")] == []
