"""From asyncio: nothing blocks the loop. Order, not time, is what is looked at."""

from __future__ import annotations

import asyncio

from stitchline.testing import RecordingClient
from tests.sdk import scripted_collector as script
from tests.sdk.conftest import MakeClient
from tests.sdk.scripted_collector import ScriptedCollector


async def test_waiting_for_a_flush_lets_other_tasks_run(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(script.stall)
    order: list[str] = []

    async def other() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        order.append("other task")
        collector.released.set()

    client.track("x")
    task = asyncio.create_task(other())
    assert await client.aflush(20)
    order.append("flushed")
    await task
    assert order == ["other task", "flushed"]
    assert collector.names() == ["x"]


async def test_closing_lets_other_tasks_run(collector: ScriptedCollector, make_client: MakeClient) -> None:
    client = make_client()
    collector.script(script.stall)
    client.track("x")

    async def other() -> None:
        await asyncio.sleep(0)
        collector.released.set()

    task = asyncio.create_task(other())
    assert await client.aclose(20)
    assert task.done()


async def test_a_flush_that_takes_too_long_says_so(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(script.stall)
    client.track("x")
    assert await client.aflush(0.05) is False
    collector.released.set()
    assert await client.aflush(20) is True


async def test_a_cancelled_flush_leaves_nothing_behind(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(script.stall)
    client.track("x")
    task = asyncio.create_task(client.aflush(20))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not client._pipeline.queue.progress.wanted()
    collector.released.set()
    assert await client.aflush(20)


async def test_each_task_has_its_own_scope() -> None:
    client = RecordingClient()

    async def request(user: str) -> None:
        with client.scope(user=user):
            await asyncio.sleep(0)
            client.track("seen", {"user": user})

    await asyncio.gather(*(request(str(number)) for number in range(1, 20)))
    assert all(event.identifiers["user"] == event.properties["user"] for event in client.events)


async def test_a_client_is_an_async_context_manager(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    async with make_client(flush_interval_s=60) as client:
        client.track("x")
    assert collector.names() == ["x"]


def test_a_loop_that_is_closed_while_its_flush_waits_harms_nobody(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(script.stall)

    async def leave() -> None:
        client.track("x")
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)
        await client.aflush(20)

    loop = asyncio.new_event_loop()
    task = loop.create_task(leave())
    loop.run_forever()
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    collector.released.set()
    client.track("y")
    assert client.flush(20)
    assert collector.names() == ["x", "y"]
