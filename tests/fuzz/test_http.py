"""A running collector under hostile requests: each is answered or cut off, none is a fault of its own, nothing is lost or stuck."""

from __future__ import annotations

import gzip
import http.client
import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.bodies import NATIVE, POSTHOG, SEGMENT, SNOWPLOW, hostile
from tests.processes import KEY, CollectorProcess
from tests.system.ledger import metrics, wait_until_loaded

EXAMPLES = 60
SNOWPLOW_PATH = "/com.snowplowanalytics.snowplow/tp2"
DOORS = {
    "/v1/events": NATIVE,
    "/v1/batch": SEGMENT,
    "/v1/track": SEGMENT["batch"][0],
    SNOWPLOW_PATH: SNOWPLOW,
    "/batch/": POSTHOG,
    "/i/v0/e/": POSTHOG["batch"][0],
    "/i/v1/analytics/events": POSTHOG,
}
WRITE_KEY = "fuzz-key"
KEYS = [{"key": KEY, "kind": "admin"}, {"key": WRITE_KEY, "source": "fuzz"}]


@pytest.fixture(scope="module")
def collector(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One for all tests here: it must outlive them."""
    folder = tmp_path_factory.mktemp("fuzz")
    clickhouse = shutil.copytree(folder_template, folder / "clickhouse", symlinks=True)
    process = CollectorProcess(
        folder / "data", f"chdb://{clickhouse}", env={"STITCHLINE_KEYS": json.dumps(KEYS)}
    )
    yield process.start()
    process.kill()


@pytest.fixture(autouse=True)
def sound_afterwards(collector: CollectorProcess) -> Iterator[None]:
    """After each test all that was accepted is in ClickHouse, which refused none of it, and no line tells of a defect."""
    before = metrics(collector)
    yield
    wait_until_loaded(collector)
    after = metrics(collector)
    gained = {name: after[name] - before.get(name, 0) for name in after}
    stored = gained['stitchline_rows_loaded_total{kind="accepted"}']
    assert stored == gained["stitchline_events_accepted_total"]
    assert [name for name in after if ("isolated" in name or "damaged" in name) and gained[name]] == []
    assert "Traceback" not in collector.log()


def ask(
    collector: CollectorProcess,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=60)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {WRITE_KEY}", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", DOORS)
def test_a_hostile_body_is_answered_and_what_is_accepted_is_stored(
    collector: CollectorProcess, path: str
) -> None:
    @given(hostile(DOORS[path]), st.sampled_from(["", "gzip", "deflate", "zstd", "br", "gzip, gzip"]))
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    def holds(body: bytes, encoding: str) -> None:
        sent = gzip.compress(body) if encoding == "gzip" else body
        headers = {"Content-Type": "application/json"} | ({"Content-Encoding": encoding} if encoding else {})
        status, answer = ask(collector, "POST", path, sent, headers)
        assert status in {200, 400, 401, 413, 415}, (status, answer)

    holds()


@given(st.binary(max_size=300), st.sampled_from(["gzip", "zstd"]), st.sampled_from([0, 40]))
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_a_broken_compressed_body_is_400(
    collector: CollectorProcess, noise: bytes, encoding: str, good: int
) -> None:
    body = gzip.compress(json.dumps(NATIVE).encode())[:good] + noise
    status, answer = ask(collector, "POST", "/v1/events", body, {"Content-Encoding": encoding})
    assert status == 400, answer


PATHS = [
    "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/v1/events/../sql", "/v1/people/..%2f..%2f", "/v1/queries/..%2fx",
    "/v1/queries/%00", "/v1/people/%ff/%fe", "/v1/events?key=%ff", "/v1/pixel.gif?name=%ed%a0%80&key=" + KEY, "/" + "a" * 7000,
    "/v1/people/user/" + "%F0%9F%98%80" * 50, "/i?e=%ff&aid=fuzz-key", "/pixel/v1/track?writeKey=fuzz-key&event=%00",
    "/v1/people/user/' OR 1=1 --", "/v1/queries/funnel?steps=%27)%3B%20DROP%20TABLE%20events_raw", "/metrics/../v1/sql", "*",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_made_up_is_answered(collector: CollectorProcess, method: str, path: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    answer = told(collector, head.encode())
    status = int(answer.split(b" ", 2)[1])
    assert status < 500, answer
    assert b"root:" not in answer


RAW = {
    "no method": b"/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "ten thousand headers": b"GET / HTTP/1.1\r\nHost: x\r\n"
    + b"".join(b"A%d: b\r\n" % i for i in range(10_000))
    + b"\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\n",
    "a long address": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and chunks": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a length below nothing": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a length beyond everything": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: "
    + b"9" * 40
    + b"\r\n\r\n",
    "a header with a line end": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nB\x00: d\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_good_http_is_refused_or_cut_off(collector: CollectorProcess, name: str) -> None:
    answer = told(collector, RAW[name])
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:200]


def test_requests_behind_one_another_on_a_connection_are_each_answered_once_and_in_order(
    collector: CollectorProcess,
) -> None:
    body = json.dumps({"events": [{"type": "track", "name": "piped"}]}).encode()
    one = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n" % (
        WRITE_KEY.encode(),
        len(body),
    )
    bad = (
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: 2\r\n\r\n[]"
        % WRITE_KEY.encode()
    )
    answer = told(collector, (one + b"\r\n" + body) * 20 + bad + one + b"Connection: close\r\n\r\n" + body)
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200"] * 20 + [b"400", b"200"]
    wait_until_loaded(collector)
    assert collector.sql("SELECT count() FROM events WHERE name = 'piped'") == [[21]]


def told(collector: CollectorProcess, sent: bytes) -> bytes:
    """Send bytes as they are and read until the other side closes; empty when it closed without a word."""
    answer = b""
    with socket.create_connection(("127.0.0.1", collector.port), timeout=30) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
    return answer


def test_bombs_are_refused_before_they_are_inflated(collector: CollectorProcess) -> None:
    bomb: Any = gzip.compress(b'{"events":[' + b" " * 200_000_000 + b"]}")
    status, answer = ask(collector, "POST", "/v1/events", bomb, {"Content-Encoding": "gzip"})
    assert status == 413, answer
