"""How messages are sent, to a receiver that answers as it likes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from stitchline_collector.activate.outbox import Message, Outbox
from stitchline_collector.activate.sender import Sender
from stitchline_collector.activate.webhooks import Webhook
from tests.collector.spool.full_disk import largest_file

if TYPE_CHECKING:
    from pathlib import Path

RETRY_AFTER_S = 2


async def _agrees(_message: Message) -> bool:
    return True


class Moody:
    """A receiver that gives one answer after the other."""

    def __init__(self, *answers: web.Response) -> None:
        self.asked: list[tuple[float, str, str, str]] = []
        self.application = web.Application()
        self.application.router.add_route("*", "/{path:.*}", self._answer)
        self._answers = list(answers)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        self.asked.append((time.monotonic(), request.path, request.headers["webhook-id"], body))
        return self._answers.pop(0)


@pytest.fixture
async def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path)


async def _sent(moody: Moody, outbox: Outbox, aiohttp_server: Any) -> Sender:
    server = await aiohttp_server(moody.application)
    webhook = Webhook(name="crm", url=f"http://127.0.0.1:{server.port}/hook", secret_env="X", segments=("s",))
    message = Message("msg_1", "crm", time.time(), 1, "marketing", '{"a": 1}')
    outbox.put([message])
    sender = Sender([webhook], {"crm": b"k" * 24}, outbox, _agrees)
    await sender.start()
    sender.submit([message])
    await asyncio.gather(*sender._under_way.values())
    await sender.stop()
    return sender


async def test_a_message_is_repeated_alike_and_not_before_the_receiver_wants_it(
    outbox: Outbox, aiohttp_server: Any
) -> None:
    moody = Moody(
        web.Response(status=429, headers={"Retry-After": str(RETRY_AFTER_S)}),
        web.Response(status=500),
        web.Response(status=202),
    )
    sender = await _sent(moody, outbox, aiohttp_server)
    assert [one[1:] for one in moody.asked] == [("/hook", "msg_1", '{"a": 1}')] * 3
    assert moody.asked[1][0] - moody.asked[0][0] >= RETRY_AFTER_S
    assert (sender.delivered["crm"], sender.failures["crm"], sender.errors["crm"]) == (1, 2, "")


async def test_a_redirect_is_not_followed(outbox: Outbox, aiohttp_server: Any) -> None:
    moody = Moody(web.Response(status=307, headers={"Location": "/elsewhere"}), web.Response(status=204))
    await _sent(moody, outbox, aiohttp_server)
    assert [path for _, path, _, _ in moody.asked] == ["/hook", "/hook"]


async def test_a_dead_letter_that_the_disk_does_not_take_is_written_when_it_does(
    outbox: Outbox, tmp_path: Path
) -> None:
    message = Message("msg_1", "gone", time.time(), 1, "marketing", "{}")
    outbox.put([message])
    sender = Sender([], {}, outbox, _agrees)
    with largest_file(0):
        await sender.start()
        sender.submit([message])
        async with asyncio.timeout(10):
            while not sender.errors:  # noqa: ASYNC110 -- what is waited for happens on a thread
                await asyncio.sleep(0.01)
        assert "cannot be written" in sender.errors["gone"]
        assert (sender.pending()["gone"], sender.died["gone"]) == (1, 0)
    async with asyncio.timeout(10):
        await asyncio.gather(*sender._under_way.values())
    assert sender.died["gone"] == 1
    await sender.stop()
    (letter,) = Outbox(tmp_path).dead("gone")
    assert letter.error == "there is no such webhook any more"


async def test_what_a_dead_process_left_is_taken_over_and_what_lives_is_not(tmp_path: Path) -> None:
    living, dying = Outbox(tmp_path), Outbox(tmp_path)
    dying.put([Message("msg_1", "crm", 1.0, 1, "marketing", "{}")])
    assert living.adopt() == []
    dying.close()  # lets the lock go, as the end of a process does
    assert [message.id for message in living.adopt()] == ["msg_1"]
    living.taken("msg_1")
    living.close()
    assert list((tmp_path / "outbox").iterdir()) == []
