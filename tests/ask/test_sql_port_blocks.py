"""`compress=1` and `decompress=1`: the blocks of ClickHouse's own clients, held to a real server."""

from __future__ import annotations

import contextlib
import gzip
import struct
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import pytest
from clickhouse_cityhash.cityhash import CityHash128
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.ask.sql_port.blocks import Blocks, block, unpack
from stitchline_collector.engine import QueryError
from tests.sql_port import sql_port_of, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clickhouse_server import ClickHouseServer

ROOM = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def port(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with started(folder_template, tmp_path_factory.mktemp("port")) as collector:
        yield sql_port_of(collector)


def plain(data: bytes, size: int) -> bytes:
    """A block that is not compressed, and says that it has `size` bytes."""
    body = struct.pack("<BII", 0x02, 9 + len(data), size) + data
    high, low = divmod(CityHash128(body), 1 << 64)
    return struct.pack("<QQ", high, low) + body


def post(port: int, body: bytes, **query: str | int) -> tuple[int, bytes]:
    """Status and body as they came."""
    fields = {"enable_http_compression": 0, **query}
    url = f"http://127.0.0.1:{port}/?{urllib.parse.urlencode(fields)}"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, body, {"Accept-Encoding": "gzip"}), timeout=60
        ) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.fp.read()


@given(st.lists(st.binary(max_size=200)), st.integers(0, 3))
def test_what_was_packed_part_by_part_is_unpacked_whole(parts: list[bytes], millions: int) -> None:
    parts = [*parts, b"x" * millions * 1_000_000]
    blocks = Blocks()
    packed = b"".join(blocks.compress(part) for part in parts) + blocks.flush()
    assert unpack(packed, ROOM) == b"".join(parts)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "SELECT number FROM numbers(300000)",
        "SELECT 1 WHERE 0",
        "SELECT toString(number) FROM numbers(1000) FORMAT Native",
    ],
)
def test_answers_unpack_to_what_a_server_says(
    port: int, clickhouse_server: ClickHouseServer, statement: str
) -> None:
    ours, theirs = (post(one, statement.encode(), compress=1) for one in (port, clickhouse_server.http_port))
    assert ours[0] == theirs[0] == 200
    assert unpack(ours[1], ROOM) == unpack(theirs[1], ROOM)


def test_an_error_is_packed_as_a_servers_is(port: int, clickhouse_server: ClickHouseServer) -> None:
    for one in (port, clickhouse_server.http_port):
        status, body = post(one, b"SELECT nope", compress=1)
        assert status == 404
        assert unpack(body, ROOM).startswith(b"Code: 47. DB::Exception: ")


def test_a_server_and_the_port_read_a_statement_we_pack(
    port: int, clickhouse_server: ClickHouseServer
) -> None:
    statement = b"SELECT '" + b"stitch" * 1000 + b"'"
    for one in (port, clickhouse_server.http_port):
        assert post(one, plain(b"SELECT 1", 8), decompress=1) == (200, b"1\n")
        assert post(one, block(statement), decompress=1) == (200, b"stitch" * 1000 + b"\n")


def test_blocks_go_inside_an_encoding_of_http(port: int) -> None:
    status, body = post(port, b"SELECT 1", compress=1, enable_http_compression=1)
    assert (status, unpack(gzip.decompress(body), ROOM)) == (200, b"1\n")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (block(b"SELECT 1")[:-1], "cut off"),
        (b"SELECT 1", "cut off"),
        (block(b"SELECT 1")[:-1] + b"2", "checksum"),
        (block(b" " * 2_000_000 + b"SELECT 1"), "too large"),
        (plain(b"SELECT 1", 7), "not as long"),
    ],
)
def test_a_damaged_statement_is_refused_with_the_reason(port: int, body: bytes, reason: str) -> None:
    status, told = post(port, body, decompress=1)
    assert (status, reason in told.decode()) == (500, True)


@given(st.binary(max_size=400))
def test_any_bytes_are_unpacked_or_refused(body: bytes) -> None:
    with contextlib.suppress(QueryError):
        assert len(unpack(body, 1000)) <= 1000
