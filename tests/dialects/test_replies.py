"""What each client is answered, by status: the table of docs/clients.md, over real HTTP."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from stitchline_collector.decode import Limits
from stitchline_collector.dialects.doors import Doors
from stitchline_collector.enrich import Enricher
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.geo import GeoDatabase
from stitchline_collector.enrich.privacy import Privacy
from stitchline_collector.ingest import Ingest
from stitchline_collector.receive import Key, Keys, Receiver
from stitchline_collector.receive.body import BodyLimits
from stitchline_collector.rows import EVENT_COLUMNS, FAILED_COLUMNS
from stitchline_collector.spool import Folder, Spool, read_lines
from stitchline_collector.spool.writer import Seal

KEY = "write-key-1"
MAX_BODY = 100_000
TRACK = {"type": "track", "event": "x", "userId": "u-1", "messageId": "m-1"}
VIEW = {"tv": "js-4", "e": "pv", "p": "web", "aid": KEY, "uid": "u-1"}
CAPTURE = {"event": "x", "distinct_id": "u-1", "uuid": "7b0a3a90-95d3-4d7a-8b1c-5a1e5a1e5a1e"}
TP2 = "/com.snowplowanalytics.snowplow/tp2"


def segment(*messages: Any, key: str = KEY) -> tuple[str, bytes]:
    return "/v1/batch", json.dumps({"batch": list(messages or [TRACK]), "writeKey": key}).encode()


def snowplow(*events: Any, key: str = KEY) -> tuple[str, bytes]:
    data = [{**event, "aid": key} if isinstance(event, dict) else event for event in events or [VIEW]]
    return TP2, json.dumps({"schema": "iglu:a/payload_data/jsonschema/1-0-4", "data": data}).encode()


def posthog(*events: Any, key: str = KEY) -> tuple[str, bytes]:
    return "/batch/", json.dumps({"batch": list(events or [CAPTURE]), "api_key": key}).encode()


Body = Callable[..., tuple[str, bytes]]
DIALECTS: list[Body] = [segment, snowplow, posthog]
each = pytest.mark.parametrize("body", DIALECTS, ids=lambda body: body.__name__)


class House:
    """The event path of a collector behind a real port, with its spool."""

    def __init__(self, path: Path, *keys: Key, max_spool_bytes: int = 1 << 30) -> None:
        self.path = path
        self.folder = Folder.create(path)
        self.spool = Spool(self.folder, Seal(3600), max_spool_bytes, lambda _: None)
        limits = Limits(max_batch_events=10)
        self.ingest = Ingest(limits, Enricher(Contacts(b"k" * 32), Privacy(), GeoDatabase()), self.spool)
        body_limits = BodyLimits(MAX_BODY, MAX_BODY * 4, 5)
        self.receiver = Receiver(self.ingest, Keys(keys or (Key(KEY, source="s"),)), body_limits)
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(self.receiver.routes())
        app.add_routes(Doors(self.receiver, self.ingest, limits, body_limits).routes())
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

    async def send(
        self, path: str, body: bytes = b"", method: str = "POST", headers: dict[str, str] | None = None
    ) -> tuple[int, Any, bytes]:
        async with self.client.request(
            method, path, data=body, headers=headers or {}, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers, await answer.read()

    def stored(self) -> list[dict[str, Any]]:
        return self._rows("events", EVENT_COLUMNS)

    def failed(self) -> list[dict[str, Any]]:
        return self._rows("failed", FAILED_COLUMNS)

    def _rows(self, table: str, columns: list[str]) -> list[dict[str, Any]]:
        return [
            dict(zip(columns, json.loads(line), strict=True))
            for file in sorted(self.path.rglob(f"*-{table}.*"))
            for line in read_lines(file.read_bytes())
        ]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[House]]]:
    opened: list[House] = []

    async def factory(*keys: Key, **options: Any) -> House:
        one = House(tmp_path / f"spool-{len(opened)}", *keys, **options)
        opened.append(one)
        await one.start()
        return one

    yield factory
    for one in opened:
        await one.stop()


Opener = Callable[..., Awaitable[House]]
ACCEPTED = {"segment": b'{"success":true}', "snowplow": b"ok", "posthog": b'{"status":"Ok"}'}


@each
async def test_what_is_on_disk_is_answered_200_in_the_client_s_own_words(house: Opener, body: Body) -> None:
    one = await house()
    status, _, answer = await one.send(*body())
    assert (status, answer) == (200, ACCEPTED[body.__name__])
    assert [row["identifiers"] for row in one.stored()] == [{"user": "u-1"}]
    assert one.stored()[0]["source"] == "s"


@each
async def test_a_key_for_pages_takes_nothing_from_elsewhere(house: Opener, body: Body) -> None:
    one = await house(Key(KEY, source="web", origins=("https://shop.example",)))
    path, content = body()
    for origin, allowed in (("https://other.example", False), ("https://shop.example", True)):
        status, headers, _ = await one.send(path, content, headers={"Origin": origin})
        # A refusal can be read by the page, or its client would take it for a broken network.
        assert (status, headers["Access-Control-Allow-Origin"]) == (200 if allowed else 403, origin)
        _, headers, _ = await one.send(path, method="OPTIONS", headers={"Origin": origin})
        assert headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert len(one.stored()) == 1


@each
async def test_a_full_spool_is_503_with_retry_after(house: Opener, body: Body) -> None:
    one = await house(max_spool_bytes=1)
    await one.send(
        "/v1/events", b'{"events":[{"type":"track","name":"x"}]}', headers={"Authorization": f"Bearer {KEY}"}
    )
    status, headers, _ = await one.send(*body())
    assert (status, headers["Retry-After"]) == (503, "5")


@each
async def test_over_the_rate_is_429_only_where_the_client_keeps_its_events(house: Opener, body: Body) -> None:
    one = await house(Key(KEY, max_events_per_s=1))
    native = json.dumps({"events": [{"type": "track", "name": "x"}] * 10}).encode()
    for _ in range(2):  # ten at once are within the rate
        await one.send("/v1/events", native, headers={"Authorization": f"Bearer {KEY}"})
    status, headers, _ = await one.send(*body())
    assert status == (429 if body is segment else 503)
    assert int(headers["Retry-After"]) >= 1


@each
async def test_a_body_that_is_too_large(house: Opener, body: Body) -> None:
    one = await house()
    path, large = body()
    large = large[:-1] + b' , "x": "%s"}' % (b"x" * MAX_BODY)
    status, _, answer = await one.send(path, large)
    if body is snowplow:  # it would send it for ever
        assert (status, answer) == (200, b"ok")
        (kept,) = one.failed()
        assert kept["kind"] == "snowplow"
        assert kept["reason"].startswith(f"too large: {len(large):,} bytes")
        assert kept["raw"].encode() == large[:65536]
    else:
        assert status == 413
        assert one.failed() == []
    assert one.stored() == []


@each
async def test_a_bad_event_never_rejects_its_neighbours(house: Opener, body: Body) -> None:
    one = await house()
    good = {"segment": TRACK, "snowplow": VIEW, "posthog": CAPTURE}[body.__name__]
    status, _, answer = await one.send(*body(good, 17, good))
    assert (status, answer) == (200, ACCEPTED[body.__name__])
    assert len(one.stored()) == 2
    (kept,) = one.failed()
    assert (kept["kind"], kept["path"].rpartition("[")[2]) == (body.__name__, "1]")


@each
async def test_an_unknown_key_is_401(house: Opener, body: Body) -> None:
    one = await house()
    assert (await one.send(*body(key="no-such-key")))[0] == 401
    assert one.stored() == []


@each
async def test_what_is_no_json_is_400(house: Opener, body: Body) -> None:
    one = await house()
    assert (await one.send(body()[0], b"{nonsense"))[0] == 400


@each
async def test_no_answer_is_ever_a_redirect(house: Opener, body: Body) -> None:
    one = await house()
    path, sent = body()
    for variant in (path, path.rstrip("/"), path + "/"):
        assert not 300 <= (await one.send(variant, sent))[0] < 400


@each
async def test_pages_of_any_site_may_send(house: Opener, body: Body) -> None:
    one = await house()
    path, sent = body()
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Headers": "authorization,x-retry-count",
    }
    status, headers, _ = await one.send(path, method="OPTIONS", headers=asked)
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert headers["Access-Control-Allow-Headers"] == "authorization,x-retry-count"
    status, headers, _ = await one.send(path, sent, headers={"Origin": "https://shop.example"})
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "https://shop.example")


@pytest.mark.parametrize(
    "header",
    [f"Basic {base64.b64encode(text).decode()}" for text in (f"{KEY}:".encode(), KEY.encode())]
    + [f"Bearer {KEY}"],
)
async def test_segment_s_key_may_stand_in_the_header(house: Opener, header: str) -> None:
    one = await house()
    assert (await one.send(*segment(key=""), headers={"Authorization": header}))[0] == 200


@pytest.mark.parametrize("path", ["/v1/track", "/v1/t", "/t"])
async def test_segment_s_single_calls(house: Opener, path: str) -> None:
    one = await house()
    call = {name: value for name, value in TRACK.items() if name != "type"} | {"writeKey": KEY}
    assert (await one.send(path, json.dumps(call).encode(), headers={"Content-Type": "text/plain"}))[0] == 200
    assert [(row["type"], row["name"]) for row in one.stored()] == [("track", "x")]


async def test_rudder_s_pixel_and_beacon(house: Opener) -> None:
    one = await house()
    query = urlencode({"writeKey": KEY, "userId": "u-1", "event": "opened"})
    status, headers, _ = await one.send(f"/pixel/v1/track?{query}", method="GET")
    assert (status, headers["Content-Type"]) == (200, "image/gif")
    assert (await one.send(f"/beacon/v1/batch?writeKey={KEY}", segment(key="")[1]))[0] == 200
    assert [row["name"] for row in one.stored()] == ["opened", "x"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_snowplow_s_pixel(house: Opener, method: str) -> None:
    one = await house()
    status, headers, _ = await one.send(f"/i?{urlencode(VIEW)}", method=method)
    assert (status, headers["Content-Type"]) == (200, "image/gif")
    assert headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert len(one.stored()) == 1


async def test_snowplow_s_wish_for_anonymity_leaves_no_address(house: Opener) -> None:
    one = await house()
    await one.send(*snowplow())
    await one.send(*snowplow(), headers={"SP-Anonymous": "*"})
    assert [row["ip"] for row in one.stored()] == ["127.0.0.0", ""]


async def test_snowplow_s_wish_for_anonymity_leaves_no_cookie_of_the_network(house: Opener) -> None:
    one = await house()
    address = f"/i?{urlencode(VIEW | {'nuid': 'a-cookie', 'uid': 'ada'})}"
    await one.send(address, method="GET")
    await one.send(address, method="GET", headers={"SP-Anonymous": "*"})
    assert [row["identifiers"] for row in one.stored()] == [
        {"user": "ada", "anonymous": "a-cookie"},
        {"user": "ada"},
    ]


FORMS: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "gzip without a word": (
        "/e/?ip=0",
        gzip.compress(json.dumps(CAPTURE | {"token": KEY}).encode()),
        {"Content-Type": "text/plain"},
    ),
    "gzip with header": ("/capture", gzip.compress(posthog()[1]), {"Content-Encoding": "gzip"}),
    "an array": ("/i/v0/e/", json.dumps([CAPTURE | {"api_key": KEY}]).encode(), {}),
    "a form": (
        "/e/",
        urlencode({"data": base64.b64encode(posthog()[1]).decode()}).encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "engage": (
        "/engage/",
        json.dumps({"$token": KEY, "$distinct_id": "u-1", "$set": {"plan": "gold"}}).encode(),
        {},
    ),
    "a beacon": (
        "/e?beacon=1&_=1795341600123&ver=1",
        json.dumps({**CAPTURE, "properties": {"token": KEY}}).encode(),
        {},
    ),
}


@pytest.mark.parametrize("form", FORMS)
async def test_posthog_s_forms_of_a_body(house: Opener, form: str) -> None:
    one = await house()
    path, body, headers = FORMS[form]
    status, _, answer = await one.send(path, body, headers=headers)
    assert (status, answer) == (200, b'{"status":"Ok"}')
    assert [row["identifiers"] for row in one.stored()] == [{"user": "u-1"}]
    assert KEY not in json.dumps(one.stored())


async def test_posthog_s_newer_address_tells_about_each_event(house: Opener) -> None:
    one = await house()
    bad = {"event": "x" * 300, "distinct_id": "u-1", "uuid": "7b0a3a90-95d3-4d7a-8b1c-5a1e5a1e5a1f"}
    status, _, answer = await one.send("/i/v1/analytics/events", posthog(CAPTURE, bad)[1])
    assert status == 200
    results = json.loads(answer)["results"]
    assert results[CAPTURE["uuid"]] == {"result": "ok"}
    assert results[bad["uuid"]]["result"] == "drop"


QUESTIONS: dict[str, dict[str, Any]] = {
    "/v1/projects/k-1/settings": {"integrations": {"Segment.io": {"apiKey": "k-1"}}, "plan": {}},
    "/array/k-1/config": {"token": "k-1", "hasFeatureFlags": False},
    "/flags/?v=2": {"featureFlags": {}},
    "/decide/": {"featureFlags": {}},
    "/sourceConfig/?writeKey=k-1": {},
}


@pytest.mark.parametrize("path", QUESTIONS)
async def test_what_clients_ask_at_start_is_answered_with_nothing_enabled(house: Opener, path: str) -> None:
    one = await house()
    status, _, answer = await one.send(path, method="GET")
    assert status == 200
    assert QUESTIONS[path].items() <= json.loads(answer).items()


async def test_native_routes_are_first(house: Opener) -> None:
    one = await house()
    body = b'{"events":[{"type":"track","name":"x"}]}'
    status, _, answer = await one.send("/v1/events", body, headers={"Authorization": f"Bearer {KEY}"})
    assert (status, json.loads(answer)) == (200, {"accepted": 1, "rejected": []})
