"""Segments over real HTTP, with the routes and the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from stitchline_collector.ask import Asking
from stitchline_collector.cli.segment import segment
from stitchline_collector.segments import SegmentRoutes, read
from stitchline_collector.stitch import Stitcher
from tests.ask.conftest import READ_KEY
from tests.ask.test_commands import run
from tests.stitch.stories import event, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.test_utils import TestClient

    from stitchline_collector.engine import Engine

SEGMENTS = {
    "looked": '[[did]]\nevent = "product_viewed"\n',
    "by_sql": 'consent = "offers"\nsql = "SELECT person_id FROM person_events WHERE channel = \'web\';"\n',
    "wrong": 'sql = "SELECT 1 AS x"\n',
    "prying": "sql = \"SELECT toUInt64(1) AS person_id FROM file('/etc/passwd', 'LineAsString')\"\n",
}
YES, NO = {"analytics": True, "marketing": True, "offers": True}, {"analytics": True, "marketing": False}


@pytest.fixture
async def application(engine: Engine) -> AsyncIterator[web.Application]:
    load(
        engine,
        [
            event(0, "web-1", channel="web") | {"consent": YES},
            event(1, "web-1", channel="web", type="identify", name="", user="1", email="a"),
            # Stitching refuses it as a second address of user 1: their event names it, and it is not theirs.
            event(2, "app-1", user="1", email="b"),
            event(3, "app-1", type="consent", name="", user="1") | {"consent": YES},
            event(0, "app-2", user="2") | {"consent": YES},
            event(1, "web-2", user="2") | {"consent": NO},  # the last word, on another device
            event(0, "app-3", user="3"),
        ],
    )
    stitcher = Stitcher(engine)
    stitcher.round()
    stitcher.close()
    asking = Asking(
        engine.reader, lambda key, right: (key, right) == (READ_KEY, "read"), lambda _, value: value
    )
    application = web.Application()
    segments = {name: read(name, text) for name, text in SEGMENTS.items()}
    application.add_routes(SegmentRoutes(segments, asking).routes())
    yield application
    asking.close()


@pytest.fixture
async def client(application: web.Application, aiohttp_client: Any) -> Any:
    return await aiohttp_client(application, headers={"Authorization": f"Bearer {READ_KEY}"})


@pytest.fixture
async def url(application: web.Application, aiohttp_server: Any) -> str:
    server = await aiohttp_server(application)
    return f"http://{server.host}:{server.port}"


async def _size(client: TestClient[Any, Any], name: str) -> tuple[int, int]:
    told = (await (await client.get(f"/v1/segments/{name}")).json())["segment"]
    return told["people"], told["agreed"]


async def test_a_size_tells_who_is_in_it_and_who_of_them_agreed(client: TestClient[Any, Any]) -> None:
    assert await _size(client, "looked") == (3, 1)
    assert await _size(client, "by_sql") == (1, 1)


async def test_only_who_has_agreed_last_is_exported_in_each_format(client: TestClient[Any, Any]) -> None:
    asked = {"namespaces": "user,email,device"}
    answer = await client.get("/v1/segments/looked/export", params=asked)
    head, *rows = (await answer.text()).splitlines()
    assert head == '"person_id","stage","devices","channels","last_seen","user","email","device"'
    assert [row.split(",")[5:] for row in rows] == [['"1"', '"a"', '"app-1|web-1"']]
    lines = await client.get("/v1/segments/looked/export", params=asked | {"format": "JSONEachRow"})
    told = json.loads(await lines.text())
    assert (told["user"], told["device"], told["devices"]) == (["1"], ["app-1", "web-1"], 2)
    assert isinstance(told["person_id"], str)  # a number beyond 2^53 is another one to JavaScript
    file = await client.get("/v1/segments/looked/export", params=asked | {"format": "Parquet"})
    body = await file.read()
    assert (body[:4], body[-4:]) == (b"PAR1", b"PAR1")


async def test_a_segments_own_sql_can_only_read_the_database(client: TestClient[Any, Any]) -> None:
    for name, told in (("wrong", "person_id"), ("prying", "file")):
        answer = await client.get(f"/v1/segments/{name}")
        assert answer.status == 400
        error = (await answer.json())["error"]
        assert error.startswith(f"segment {name}: ")
        assert told in error


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("nobody", 404, "there is no segment 'nobody'"),
        ("looked?limit=many", 400, "is not a number"),
        ("looked/export?namespaces=a'b", 400, "is no namespace"),
        ("looked/export?format=Nothing", 400, "Nothing"),
    ],
)
async def test_what_is_wrong_is_told(client: TestClient[Any, Any], path: str, status: int, told: str) -> None:
    answer = await client.get(f"/v1/segments/{path}")
    assert answer.status == status
    assert told in (await answer.json())["error"]


async def test_a_read_key_is_needed(client: TestClient[Any, Any]) -> None:
    for path in ("/v1/segments", "/v1/segments/looked", "/v1/segments/looked/export"):
        assert (await client.get(path, headers={"Authorization": "Bearer write"})).status == 401


async def test_the_command_lists_shows_and_exports(
    engine: Engine, aiohttp_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    asking = Asking(engine.reader, lambda *_: True, lambda _, value: value)
    application = web.Application()
    application.add_routes(SegmentRoutes({"looked": read("looked", SEGMENTS["looked"])}, asking).routes())
    server = await aiohttp_server(application)
    url = f"http://{server.host}:{server.port}"
    load(engine, [event(0, "app-2", user="2") | {"consent": YES}, event(0, "app-3", user="3")])
    listed = await run(segment, "list", url=url)
    assert [line.split() for line in listed.output.splitlines()][-1][:7:2] == [
        "looked",
        "2",
        "1",
        "marketing",
    ]
    shown = await run(segment, "show", "looked", url=url)
    assert "2 of 2 people; 1 agreed to marketing" in shown.output
    exported = await run(segment, "export", "looked", "--format", "jsonl", url=url)
    assert json.loads(exported.output)["user"] == ["2"]
    asking.close()
