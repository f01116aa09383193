"""Clients that lie or dawdle: their neighbours notice nothing, and nothing half-read is stored."""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import KEY, CollectorProcess
from tests.system.ledger import metrics, wait_until_loaded
from tests.system.senders import Crowd, batch, event

SLOWEST_S = 1.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    folder: Path = tmp_path_factory.mktemp("liars")
    collector = CollectorProcess(
        folder / "data", f"chdb://{folder / 'clickhouse'}", env={"STITCHLINE_BODY_TIMEOUT_S": str(SLOWEST_S)}
    )
    yield collector.start()
    collector.kill()


@pytest.fixture(autouse=True)
def neighbours(running: CollectorProcess) -> Iterator[None]:
    """Honest clients beside each liar: all of their requests are answered 200, and all is stored as it was sent."""
    with Crowd(running.port, connections=2) as crowd:
        yield
    assert set(crowd.statuses) == {200}
    wait_until_loaded(running)
    (stored,) = running.sql("SELECT countIf(name = 'lie'), count() - uniqExact(event_id) FROM events")
    assert stored == [0, 0]
    acknowledged = metrics(running)["stitchline_events_accepted_total"]
    assert running.sql("SELECT count() FROM events") == [[int(acknowledged)]]
    assert "Traceback" not in running.log()


def head(length: int, *lines: str) -> bytes:
    first = (
        "POST /v1/events HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {KEY}",
        f"Content-Length: {length}",
    )
    return "\r\n".join([*first, *lines, "", ""]).encode()


@contextlib.contextmanager
def connected(collector: CollectorProcess) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", collector.port), timeout=20) as connection:
        yield connection


def answer(connection: socket.socket) -> bytes:
    """The first bytes of the answer; empty when the connection ends without one."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(65536)
    return b""


LIE = batch(event(name="lie"))


def test_a_body_shorter_than_it_says(running: CollectorProcess) -> None:
    with connected(running) as connection:
        connection.sendall(head(len(LIE) + 100) + LIE)
        assert answer(connection).startswith(b"HTTP/1.1 408")


def test_a_body_that_ends_in_the_middle(running: CollectorProcess) -> None:
    with connected(running) as connection:
        connection.sendall(head(len(LIE)) + LIE[:-10])
        connection.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in answer(connection)


def test_a_connection_reset_in_the_middle_of_a_body(running: CollectorProcess) -> None:
    for _ in range(20):
        with connected(running) as connection:
            connection.sendall(head(len(LIE)) + LIE[: len(LIE) // 2])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_body_that_says_it_is_shorter(running: CollectorProcess) -> None:
    with connected(running) as connection:
        connection.sendall(head(len(LIE) - 5) + LIE)
        assert answer(connection)[9:12] == b"400"


def test_a_body_that_arrives_byte_by_byte(running: CollectorProcess) -> None:
    began = time.monotonic()
    with connected(running) as connection:
        connection.sendall(head(100_000))
        connection.settimeout(0.05)
        said = b""
        while not said and time.monotonic() - began < 20:
            connection.sendall(b"{")
            with contextlib.suppress(TimeoutError):
                said = connection.recv(65536)
    assert said.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < SLOWEST_S + 5


def test_many_connections_that_never_finish_their_body(running: CollectorProcess) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(running)) for _ in range(100)]
        for connection in slow:
            connection.sendall(head(1000) + b"{")
        assert {answer(connection)[9:12] for connection in slow} == {b"408"}


@pytest.mark.parametrize("cut", [-1, -8, -20])
def test_a_truncated_gzip_stream(running: CollectorProcess, cut: int) -> None:
    body = gzip.compress(LIE)[:cut]
    with connected(running) as connection:
        connection.sendall(head(len(body), "Content-Encoding: gzip") + body)
        assert answer(connection).startswith(b"HTTP/1.1 400")


def test_a_bomb_is_refused_without_the_memory_to_hold_it(running: CollectorProcess) -> None:
    squeeze = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    bomb = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(300)) + squeeze.flush()
    before = metrics(running)["process_resident_memory_bytes"]
    for _ in range(5):
        with connected(running) as connection:
            connection.sendall(head(len(bomb), "Content-Encoding: gzip") + bomb)
            assert answer(connection).startswith(b"HTTP/1.1 413")

    assert metrics(running)["process_resident_memory_bytes"] - before < 300e6


def test_no_http_at_all(running: CollectorProcess) -> None:
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"\0" * 1000,
        b"POST /v1/events HTTP/9.9\r\n\r\n",
    ):
        with connected(running) as connection:
            connection.sendall(garbage)
            assert b"200 OK" not in answer(connection)
