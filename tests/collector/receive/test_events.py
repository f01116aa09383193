"""`POST /v1/events` and the pixel over real HTTP: every status, and what it means for the sender."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from stitchline_collector.decode import Limits
from stitchline_collector.enrich import Enricher
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.geo import GeoDatabase
from stitchline_collector.enrich.privacy import Privacy
from stitchline_collector.ingest import Ingest
from stitchline_collector.receive import Key, Keys, Receiver
from stitchline_collector.receive.body import BodyLimits
from stitchline_collector.receive.proxies import Proxies
from stitchline_collector.receive.rates import AddressRates
from stitchline_collector.rows import EVENT_COLUMNS
from stitchline_collector.spool import Folder, Spool, read_lines
from stitchline_collector.spool.writer import Seal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WRITE = {"Authorization": "Bearer write-key-1"}
EVENT = b'{"events":[{"type":"track","name":"x"}]}'
MAX_BODY, MAX_INFLATED = 100_000, 1_000_000


class Door:
    """The event path of a collector behind a real port, with its spool."""

    def __init__(
        self,
        path: Path,
        *keys: Key,
        max_spool_bytes: int = 1 << 30,
        body_timeout_s: float = 5,
        address_rate: int = 0,
        proxies: Proxies | None = None,
    ) -> None:
        self.path = path
        self.folder = Folder.create(path)
        self.spool = Spool(self.folder, Seal(3600), max_spool_bytes, lambda _: None)
        enricher = Enricher(Contacts(b"k" * 32), Privacy(), GeoDatabase())
        self.ingest = Ingest(Limits(max_batch_events=10), enricher, self.spool)
        limits = BodyLimits(MAX_BODY, MAX_INFLATED, body_timeout_s)
        proxies = proxies or Proxies(["127.0.0.0/8"])
        self.receiver = Receiver(self.ingest, Keys(keys), limits, proxies, AddressRates(address_rate))
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(self.receiver.routes())
        self.server = TestServer(app)
        self.client: TestClient[web.Request, web.Application] = TestClient(self.server)

    async def start(self) -> None:
        self.spool.start()
        await self.server.start_server(auto_decompress=False)
        await self.client.start_server()

    async def stop(self) -> None:
        await self.client.close()
        await self.spool.close()
        self.folder.release()

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
        """Send a body; returns status, headers and the JSON of the answer."""
        async with self.client.post("/v1/events", data=body, headers={**WRITE, **(headers or {})}) as answer:
            assert answer.content_type == "application/json"
            return answer.status, answer.headers, await answer.json()

    async def raw(self, sent: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes on a connection of their own and return the first answer; empty when there is none."""
        reader, writer = await asyncio.open_connection(self.server.host, self.server.port)
        writer.write(sent)
        if half_close:
            writer.write_eof()
        try:
            async with asyncio.timeout(20):
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                return head + await reader.readexactly(int(length[1]) if length else 0)
        except asyncio.IncompleteReadError as error:
            return error.partial
        finally:
            writer.close()

    def stored(self) -> list[dict[str, Any]]:
        """The events on disk now, by column."""
        return [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in self._rows("events")]

    def rejected(self) -> list[Any]:
        """The rejected events on disk now."""
        return self._rows("failed")

    def _rows(self, table: str) -> list[Any]:
        return [
            json.loads(line)
            for file in sorted(self.path.rglob(f"*-{table}.*"))
            for line in read_lines(file.read_bytes())
        ]


Opener = Callable[..., Awaitable[Door]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opener]:
    doors: list[Door] = []

    async def factory(*keys: Key, **options: Any) -> Door:
        door = Door(tmp_path / f"spool-{len(doors)}", *keys, **options)
        doors.append(door)
        await door.start()
        return door

    yield factory
    for door in doors:
        await door.stop()


@pytest.fixture
async def door(opened: Opener) -> Door:
    return await opened(Key("write-key-1", source="shop"))


# -- 200 -------------------------------------------------------------------------------------------------------------


async def test_200_says_how_many_were_accepted_and_they_are_on_disk(door: Door) -> None:
    status, _, answer = await door.post(EVENT)

    assert (status, answer) == (200, {"accepted": 1, "rejected": []})
    assert [row["source"] for row in door.stored()] == ["shop"]


async def test_200_names_each_rejected_event_and_its_neighbours_are_stored(door: Door) -> None:
    body = b'{"events":[{"type":"track","name":"a"},{"type":"track","naem":"b"},{"type":"track","name":"c"}]}'

    status, _, answer = await door.post(body)

    assert (status, answer["accepted"]) == (200, 2)
    (rejection,) = answer["rejected"]
    assert (rejection["index"], rejection["path"], rejection["event_id"]) == (1, "$.events[1]", "")
    assert "naem" in rejection["reason"]
    assert [row["name"] for row in door.stored()] == ["a", "c"]
    assert len(door.rejected()) == 1


async def test_an_empty_batch_is_accepted(door: Door) -> None:
    assert (await door.post(b'{"events":[]}'))[2] == {"accepted": 0, "rejected": []}


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("zstd", zstd.compress),
        ("identity", bytes),
        ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
        ("zstd", lambda body: zstd.compress(body[:9]) + zstd.compress(body[9:])),
    ],
)
async def test_a_compressed_body_is_inflated(
    door: Door, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    status, _, answer = await door.post(encode(EVENT), {"Content-Encoding": encoding})

    assert (status, answer["accepted"]) == (200, 1)


async def test_a_large_compressed_body_is_inflated_off_the_loop(door: Door) -> None:
    noise = [{"type": "track", "name": "x", "properties": {"n": "%030x" % (7**i)}} for i in range(9)]
    body = json.dumps({"events": noise}).encode() + b" " * 300_000

    status, _, answer = await door.post(gzip.compress(body), {"Content-Encoding": "gzip"})

    assert (status, answer["accepted"]) == (200, 9)


async def test_a_body_sent_in_chunks_of_unknown_length_is_taken(door: Door) -> None:
    answer = await door.raw(
        b"POST /v1/events?key=write-key-1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)
    )

    assert answer.startswith(b"HTTP/1.1 200")
    assert len(door.stored()) == 1


# -- 400 408 413 415 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"events":1}', b'{"events":[],"x":1}']
)
async def test_400_for_a_body_that_is_no_batch(door: Door, body: bytes) -> None:
    status, headers, answer = await door.post(body)

    assert status == 400
    assert answer["error"].startswith("unreadable body")
    assert answer["hint"]
    assert "Retry-After" not in headers
    assert door.stored() == door.rejected() == []


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(EVENT, mtime=0)[:-9]),
        ("gzip", gzip.compress(EVENT, mtime=0)[:-1]),
        ("gzip", b"no gzip at all"),
        ("gzip", gzip.compress(EVENT, mtime=0) + b"garbage"),
        ("zstd", zstd.compress(EVENT)[:-1]),
        ("zstd", b"no zstd at all"),
    ],
)
async def test_400_for_a_broken_or_truncated_stream(door: Door, encoding: str, body: bytes) -> None:
    status, _, answer = await door.post(body, {"Content-Encoding": encoding})

    assert status == 400
    assert encoding in answer["error"]
    assert door.stored() == []


async def test_408_for_a_body_that_does_not_arrive(opened: Opener) -> None:
    door = await opened(Key("write-key-1"), body_timeout_s=0.2)

    answer = await door.raw(
        b"POST /v1/events?key=write-key-1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    )

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"Retry-After: 1" in head
    assert b"did not arrive" in body


async def test_413_for_a_body_that_says_it_is_too_large_before_it_is_read(door: Door) -> None:
    answer = await door.raw(
        b"POST /v1/events?key=write-key-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100001\r\n\r\n",
    )

    assert answer.startswith(b"HTTP/1.1 413")


async def test_413_for_a_body_that_turns_out_too_large(door: Door) -> None:
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"

    answer = await door.raw(
        b"POST /v1/events?key=write-key-1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        + chunk * 5
        + b"0\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_body_as_large_as_allowed_is_taken(door: Door) -> None:
    assert (await door.post(EVENT + b" " * (MAX_BODY - len(EVENT))))[0] == 200
    assert (await door.post(EVENT + b" " * (MAX_BODY - len(EVENT) + 1)))[0] == 413


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_413_for_a_bomb_which_is_never_inflated_whole(door: Door, encoding: str) -> None:
    if encoding == "gzip":
        squeeze = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        bomb = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(90)) + squeeze.flush()
    else:
        bomb = zstd.compress(bytes(200 << 20))
    assert len(bomb) < MAX_BODY

    status, _, answer = await door.post(bomb, {"Content-Encoding": encoding})

    assert status == 413
    assert "inflated" in answer["error"]


async def test_a_body_inflated_to_exactly_the_limit_is_taken(door: Door) -> None:
    fits = EVENT + b" " * (MAX_INFLATED - len(EVENT))

    assert (await door.post(gzip.compress(fits), {"Content-Encoding": "gzip"}))[0] == 200
    assert (await door.post(gzip.compress(fits + b" "), {"Content-Encoding": "gzip"}))[0] == 413
    assert (await door.post(zstd.compress(fits), {"Content-Encoding": "zstd"}))[0] == 200
    assert (await door.post(zstd.compress(fits + b" "), {"Content-Encoding": "zstd"}))[0] == 413


async def test_413_for_too_many_events(door: Door) -> None:
    status, _, answer = await door.post(json.dumps({"events": [{"type": "page"}] * 11}).encode())

    assert status == 413
    assert "11 events" in answer["error"]


async def test_415_for_an_encoding_that_is_not_spoken(door: Door) -> None:
    status, _, answer = await door.post(EVENT, {"Content-Encoding": "br"})

    assert status == 415
    assert "gzip, zstd" in answer["hint"]


# -- 401 429 503 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"Authorization": ""}, "no key"),
        ({"Authorization": "Bearer wrong"}, "unknown key"),
        ({"Authorization": "Basic write-key-1"}, "no key"),
        ({"Authorization": "Bearer read-key-1"}, "unknown key"),
    ],
)
async def test_401_without_a_key_that_may_write(opened: Opener, headers: dict[str, str], error: str) -> None:
    door = await opened(Key("write-key-1"), Key("read-key-1", "read"))

    status, _, answer = await door.post(EVENT, headers)

    assert (status, answer["error"]) == (401, error)


async def test_a_key_may_stand_in_the_address_for_beacons(door: Door) -> None:
    async with (
        ClientSession() as session,
        session.post(door.server.make_url("/v1/events?key=write-key-1"), data=EVENT) as answer,
    ):
        assert answer.status == 200


async def test_429_over_the_keys_rate_says_when_to_come_back(opened: Opener) -> None:
    door = await opened(Key("write-key-1", max_events_per_s=1))
    batch = json.dumps({"events": [{"type": "page"}] * 10}).encode()

    statuses = [(await door.post(batch))[0] for _ in range(2)]
    status, headers, answer = await door.post(EVENT)

    assert statuses in ([200, 200], [200, 429])
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 21
    assert "rate" in answer["error"]


async def test_rejected_events_count_towards_the_rate(opened: Opener) -> None:
    door = await opened(Key("write-key-1", max_events_per_s=1))
    bad = json.dumps({"events": [{}] * 10}).encode()
    await door.post(bad)
    await door.post(bad)

    assert (await door.post(EVENT))[0] == 429


async def test_one_keys_rate_is_not_anothers(opened: Opener) -> None:
    door = await opened(Key("write-key-1", max_events_per_s=1), Key("write-key-2"))
    batch = json.dumps({"events": [{"type": "page"}] * 10}).encode()
    await door.post(batch)
    await door.post(batch)

    assert (await door.post(EVENT, {"Authorization": "Bearer write-key-2"}))[0] == 200


async def test_429_over_an_addresss_rate_whatever_its_keys(opened: Opener) -> None:
    door = await opened(
        Key("write-key-1"), Key("write-key-2"), Key("server-key-1", "server", "backend"), address_rate=1
    )
    batch = json.dumps({"events": [{"type": "page"}] * 10}).encode()
    one, other = {"X-Forwarded-For": "203.0.113.77"}, {"X-Forwarded-For": "203.0.113.78"}
    for _ in range(2):
        await door.post(batch, one)

    status, headers, answer = await door.post(EVENT, {**one, "Authorization": "Bearer write-key-2"})
    assert (status, answer["error"]) == (429, "over this address's rate")
    assert int(headers["Retry-After"]) >= 1
    assert (await door.post(EVENT, other))[0] == 200
    assert (await door.post(EVENT, {**one, "Authorization": "Bearer server-key-1"}))[0] == 200


async def test_who_tries_keys_is_slowed_down(opened: Opener) -> None:
    door = await opened(Key("write-key-1"), address_rate=1)

    statuses = [(await door.post(EVENT, {"Authorization": f"Bearer guess-{i}"}))[0] for i in range(30)]

    assert statuses[:10] == [401] * 10
    assert 429 in statuses


async def test_all_of_an_ipv6_network_share_one_rate(opened: Opener) -> None:
    door = await opened(Key("write-key-1"), address_rate=1)
    batch = json.dumps({"events": [{"type": "page"}] * 10}).encode()
    for host in (1, 2):
        await door.post(batch, {"X-Forwarded-For": f"2001:db8::{host}"})

    assert (await door.post(EVENT, {"X-Forwarded-For": "2001:db8::3"}))[0] == 429
    assert (await door.post(EVENT, {"X-Forwarded-For": "2001:db8:0:1::3"}))[0] == 200


# -- pages -----------------------------------------------------------------------------------------------------------

FOR_PAGES = Key("write-key-1", source="web", origins=("https://shop.example", "https://*.shop.example:8443"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://shop.example"}, 200),
        ({"Origin": "https://SHOP.example"}, 200),
        ({"Origin": "https://a.b.shop.example:8443"}, 200),
        ({"Referer": "https://shop.example/cart?x=1"}, 200),
        ({"Origin": "https://shop.example:8443"}, 403),
        ({"Origin": "https://a.shop.example"}, 403),
        ({"Origin": "https://.shop.example:8443"}, 403),
        ({"Origin": "https://evilshop.example:8443"}, 403),
        ({"Origin": "http://shop.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://other.example", "Referer": "https://shop.example/"}, 403),
        ({"Referer": "https://other.example/https://shop.example"}, 403),
        ({}, 403),
    ],
)
async def test_a_key_for_pages_takes_nothing_from_elsewhere(
    opened: Opener, headers: dict[str, str], status: int
) -> None:
    door = await opened(FOR_PAGES)

    assert (await door.post(EVENT, headers))[0] == status
    assert len(door.stored()) == (status == 200)


async def test_a_key_without_origins_takes_events_from_every_page(door: Door) -> None:
    assert (await door.post(EVENT, {"Origin": "https://other.example"}))[0] == 200


async def test_a_preflight_is_refused_where_no_key_takes_events_from_the_page(opened: Opener) -> None:
    closed = await opened(FOR_PAGES, Key("read-key-1", "read"))
    half_open = await opened(FOR_PAGES, Key("write-key-2"))
    asked = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}

    for door, headers, allowed in (
        (closed, asked, None),
        (closed, asked | {"Origin": "https://shop.example"}, "*"),
        (half_open, asked, "*"),
    ):
        async with door.client.options("/v1/events", headers=headers) as answer:
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert answer.status == (204 if allowed else 403)


async def test_503_while_the_spool_is_full(opened: Opener) -> None:
    door = await opened(Key("write-key-1"), max_spool_bytes=1)
    assert (await door.post(EVENT))[0] == 200

    status, headers, answer = await door.post(EVENT)

    assert status == 503
    assert int(headers["Retry-After"]) > 0
    assert "wait for ClickHouse" in answer["error"]
    assert len(door.stored()) == 1


async def test_503_while_the_collector_is_stopping(door: Door) -> None:
    await door.spool.close()

    status, headers, _ = await door.post(EVENT)

    assert (status, "Retry-After" in headers) == (503, True)


async def test_503_when_the_disk_refuses_and_nothing_is_counted(door: Door) -> None:
    door.folder.path.rename(door.path / "away")

    assert (await door.post(EVENT))[0] == 503
    assert door.ingest.ingested.accepted == 0

    (door.path / "away").rename(door.folder.path)
    assert (await door.post(EVENT))[0] == 200
    assert door.ingest.ingested.accepted == len(door.stored()) == 1


# -- liars -----------------------------------------------------------------------------------------------------------


async def test_a_body_shorter_than_it_says_stores_nothing(door: Door) -> None:
    answer = await door.raw(
        b"POST /v1/events?key=write-key-1 HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n" + EVENT,
        half_close=True,
    )

    assert not answer.startswith(b"HTTP/1.1 200")
    assert door.stored() == []
    assert (await door.post(EVENT))[0] == 200


async def test_a_body_longer_than_it_says_is_answered_and_disturbs_nobody(door: Door) -> None:
    answer = await door.raw(
        b"POST /v1/events?key=write-key-1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(EVENT)
        + EVENT
        + b"garbage\r\n\r\n"
    )

    assert answer[9:12] in (b"200", b"400")
    assert len(door.stored()) == (answer[9:12] == b"200")
    assert (await door.post(EVENT))[0] == 200


@pytest.mark.parametrize("agent", [b"\xff\xfe", b"Mozilla/5.0 \xed\xa0\x80", b"x" * 5000])
async def test_a_header_of_any_bytes_breaks_nothing(door: Door, agent: bytes) -> None:
    answer = await door.raw(
        b"POST /v1/events?key=write-key-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: %s\r\n"
        b"X-Forwarded-For: \xff, \xfe\r\nContent-Length: %d\r\n\r\n%s" % (agent, len(EVENT), EVENT)
    )

    assert answer.startswith(b"HTTP/1.1 200")


async def test_400_for_chunks_that_are_none(door: Door) -> None:
    answer = await door.raw(
        b"POST /v1/events?key=write-key-1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot hexadecimal\r\n"
    )

    assert answer[9:12] == b"400"
    assert door.stored() == []


async def test_every_answer_is_counted_by_its_status(door: Door) -> None:
    await door.post(EVENT)
    await door.post(b"{")
    await door.post(EVENT, {"Authorization": "Bearer wrong"})

    assert door.receiver.replies == {200: 1, 400: 1, 401: 1}


# -- where it came from ----------------------------------------------------------------------------------------------


async def test_the_address_comes_from_the_trusted_proxy_and_is_cut(door: Door) -> None:
    await door.post(EVENT, {"X-Forwarded-For": "1.2.3.4, 203.0.113.77"})

    assert door.stored()[0]["ip"] == "203.0.113.0"


FORWARDED = Proxies(["127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48"], "Forwarded")
TWO_HOPS = Proxies(["127.0.0.0/8", "10.0.0.0/8"])


@pytest.mark.parametrize(
    ("proxies", "headers", "address"),
    [
        (Proxies(["10.0.0.0/8"]), {"X-Forwarded-For": "203.0.113.77"}, "127.0.0.0"),
        (TWO_HOPS, {"X-Forwarded-For": "1.2.3.4, 203.0.113.77, 10.1.1.1"}, "203.0.113.0"),
        (TWO_HOPS, {"X-Forwarded-For": "203.0.113.77:4711"}, "203.0.113.0"),
        (TWO_HOPS, {"X-Forwarded-For": "10.1.1.1"}, "10.1.1.0"),
        (TWO_HOPS, {"X-Forwarded-For": "203.0.113.77, unknown"}, ""),
        (TWO_HOPS, {}, "127.0.0.0"),
        (TWO_HOPS, {"Forwarded": "for=203.0.113.77"}, "127.0.0.0"),
        (FORWARDED, {"X-Forwarded-For": "203.0.113.77"}, "127.0.0.0"),
        (
            FORWARDED,
            {"Forwarded": 'for=1.2.3.4, For="203.0.113.77:80";by=10.0.0.1;proto=https'},
            "203.0.113.0",
        ),
        (
            FORWARDED,
            {"Forwarded": 'proto=https;for="[2001:db8:2::1]:443", for="[2001:db8:1::1]"'},
            "2001:db8:2::",
        ),
        (FORWARDED, {"Forwarded": 'for=1.2.3.4, for="_a, for=5.6.7.8"'}, ""),
        (FORWARDED, {"Forwarded": "for=1.2.3.4, proto=https"}, ""),
    ],
    ids=range(12),
)
async def test_only_a_trusted_proxy_is_believed_and_only_in_its_own_header(
    opened: Opener, proxies: Proxies, headers: dict[str, str], address: str
) -> None:
    door = await opened(Key("write-key-1"), proxies=proxies)
    await door.post(EVENT, headers)

    assert door.stored()[0]["ip"] == address


async def test_of_a_servers_requests_neither_address_nor_agent_are_kept(opened: Opener) -> None:
    door = await opened(Key("server-key-1", "server", "backend"))

    await door.post(EVENT, {"Authorization": "Bearer server-key-1", "User-Agent": "Mozilla/5.0 Chrome/126.0"})

    (row,) = door.stored()
    assert (row["source"], row["ip"], row["agent"]) == ("backend", "", {})


async def test_in_development_mode_any_key_may_write_but_one_must_be_given(opened: Opener) -> None:
    door = await opened()

    assert (await door.post(EVENT, {"Authorization": "Bearer anything"}))[0] == 200
    assert (await door.post(EVENT, {"Authorization": ""}))[0] == 401


# -- the pixel -------------------------------------------------------------------------------------------------------


async def test_the_pixel_is_an_image_and_stores_an_event(door: Door) -> None:
    path = (
        "/v1/pixel.gif?key=write-key-1&name=newsletter_opened&email=anna%40example.com&utm_campaign=autumn"
        "&id_loyalty=L1&device=d1&url=https%3A%2F%2Fshop.example%2F&offer=42"
    )
    async with door.client.get(path) as answer:
        image = await answer.read()

    assert (answer.status, answer.content_type, image[:6]) == (200, "image/gif", b"GIF89a")
    assert "no-store" in answer.headers["Cache-Control"]
    (row,) = door.stored()
    assert (row["name"], row["channel"], row["device"]) == ("newsletter_opened", "email", {"id": "d1"})
    assert row["identifiers"]["loyalty"] == "L1"
    assert len(row["identifiers"]["email"]) == 32
    assert (row["campaign"], row["properties"]) == ({"name": "autumn"}, {"offer": "42"})


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("key=wrong", 401),
        ("", 401),
        ("key=write-key-1&event_id=broken", 200),
        ("key=write-key-1&name=%ff", 200),
    ],
)
async def test_the_pixel_is_an_image_whatever_is_wrong(door: Door, query: str, status: int) -> None:
    answer = await door.raw(
        b"GET /v1/pixel.gif?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % query.encode()
    )

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert body.startswith(b"GIF89a")


async def test_a_pixel_that_is_rejected_is_kept(door: Door) -> None:
    async with door.client.get("/v1/pixel.gif?key=write-key-1&event_id=broken"):
        pass

    assert (len(door.stored()), len(door.rejected())) == (0, 1)
