"""What the HTTP library refuses by itself is told as everything else is."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from stitchline_collector.page import PageRoutes
from stitchline_collector.receive.refusals import in_our_shape


async def _read(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


@pytest.mark.parametrize(
    ("method", "path", "status", "error", "hint"),
    [
        ("GET", "/nothing/here", 404, "there is nothing at this address", "openapi.json"),
        ("GET", "/page/nothing.js", 404, "there is nothing at this address", "openapi.json"),
        ("DELETE", "/read", 405, "DELETE is not for this address", "send POST, PUT"),
        ("POST", "/read", 413, "the body is larger than 1,000 bytes", "smaller"),
    ],
)
async def test_an_answer_of_the_library_has_error_and_hint(
    method: str, path: str, status: int, error: str, hint: str
) -> None:
    app = web.Application(client_max_size=1_000, middlewares=[in_our_shape])
    app.add_routes([*PageRoutes().routes(), web.post("/read", _read), web.put("/read", _read)])
    async with (
        TestClient(TestServer(app)) as client,
        client.request(method, path, data=b"x" * 1_001) as answer,
    ):
        told = await answer.json()

        assert (answer.status, answer.content_type, told["error"]) == (status, "application/json", error)
        assert hint in told["hint"]
        assert answer.headers.get("Allow") == ("POST, PUT" if status == 405 else None)
