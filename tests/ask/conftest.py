"""A little bank: a customer on four devices and channels, asked over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from stitchline_collector.ask import Asking
from stitchline_collector.stitch import Stitcher
from tests.stitch.stories import event, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stitchline_collector.engine import Engine

READ_KEY = "may-read"


def stored(namespace: str, value: str) -> str:
    """Stands for the keyed hash of ingest: what is told apart is that it was called."""
    if namespace != "email":
        return value
    return f"hash of {value.strip().lower()}" if "@" in value else ""


@pytest.fixture
def bank(engine: Engine) -> Engine:
    """The offer that was accepted in the app, recognised at the cash machine and signed in the branch."""
    load(
        engine,
        [
            event(0, "web-1", device_type="desktop", channel="web", stage="aware", name="page_viewed"),
            event(2, "web-1", device_type="desktop", channel="web", type="identify", name="", user="42",
                  email="hash of ada@example.com"),
            event(60, "app-1", channel="app", stage="offered", name="offer_shown", user="42"),
            event(61, "app-1", channel="app", stage="accepted", name="offer_accepted", user="42"),
            event(1500, "atm-17", device_type="atm", channel="atm", name="card_inserted", user="42"),
            event(3000, channel="branch", stage="signed", name="contract_signed", user="42"),
            event(4000, "lonely", channel="app", name="opened"),
            event(4000, "atm-17", device_type="atm", channel="atm", name="card_inserted", user="43"),
        ],
    )  # fmt: skip
    stitcher = Stitcher(engine)
    stitcher.round()
    stitcher.close()
    return engine


@pytest.fixture
async def asking(bank: Engine) -> AsyncIterator[web.Application]:
    """The room as serve wires it."""
    room = Asking(bank.reader, lambda key, right: (key, right) == (READ_KEY, "read"), stored, threads=2)
    app = web.Application()
    app.add_routes(room.routes())
    app.on_shutdown.append(room.hang_up)
    yield app
    room.close()


@pytest.fixture
async def client(asking: web.Application, aiohttp_client: Any) -> Any:
    """Asks with the right key."""
    return await aiohttp_client(asking, headers={"Authorization": f"Bearer {READ_KEY}"})


@pytest.fixture
async def url(asking: web.Application, aiohttp_server: Any) -> str:
    """Where the room listens, for the commands."""
    server = await aiohttp_server(asking)
    return f"http://{server.host}:{server.port}"
