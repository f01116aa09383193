"""What users of other clients complain about, one test each. Exit, fork and SIGTERM have more in test_process.py."""

from __future__ import annotations

import asyncio

from stitchline import Drop
from tests.sdk import scripted_collector as script
from tests.sdk.conftest import MakeClient, RunScript
from tests.sdk.scripted_collector import ScriptedCollector


def test_1_events_are_not_lost_at_exit(run_script: RunScript, collector: ScriptedCollector) -> None:
    program = run_script(
        "client = Client(URL, 'key', state_dir=STATE, flush_interval_s=3600)\n"
        "for n in range(3000): client.track('n', {'n': n})\n"
    )
    assert program.wait(60) == 0
    assert [event["properties"]["n"] for event in collector.accepted] == list(range(3000))


def test_2_a_worker_forked_from_a_loaded_app_sends_its_events(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(
        "client = Client(URL, 'key', state_dir=STATE)\n"
        "client.track('in the master')\nclient.flush()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    client.track('in the worker')\n"
        "    os._exit(0 if client.flush(20) else 1)\n"
        "sys.exit(os.waitpid(pid, 0)[1])\n"
    )
    assert program.wait(60) == 0
    assert sorted(collector.names()) == ["in the master", "in the worker"]


async def test_3_tracking_from_asyncio_never_waits_for_the_network(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(script.stall)
    for _ in range(1000):
        assert client.track("x")
    assert collector.accepted == []  # a thousand calls have returned, and no answer has come
    collector.released.set()
    assert all(await asyncio.gather(client.aflush(20), client.aflush(20)))
    assert len(collector.accepted) == 1000


def test_4_a_full_queue_drops_nothing_silently(collector: ScriptedCollector, make_client: MakeClient) -> None:
    drops: list[Drop] = []
    client = make_client(max_queue_events=10, max_batch_events=5, on_drop=drops.append)
    collector.script(script.stall)
    queued = [client.track("n", {"n": number}) for number in range(25)]
    assert queued == [True] * 10 + [False] * 15
    assert client.losses == {"queue_full": 15}
    assert [drop.event["properties"]["n"] for drop in drops] == list(range(10, 25))
    collector.released.set()
    assert client.flush(20)
    client.track("later")
    assert client.flush(20)
    reports = [event["properties"] for event in collector.accepted if event["name"] == "stitchline_loss"]
    assert sum(report["queue_full"] for report in reports) == 15
    # and the gap can be seen in the counter
    assert [event["seq"] for event in collector.accepted if event["name"] == "n"] == list(range(1, 11))
    assert collector.accepted[-1]["seq"] == 26


def test_5_a_flush_returns_in_its_time_whatever_the_network_does(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client(timeout_s=3600)
    collector.script(script.stall)
    client.track("x")
    assert client.flush(timeout_s=0.1) is False
    assert client.close(timeout_s=0.1) is False


def test_6_memory_is_bounded_in_events_and_in_bytes(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client(max_queue_bytes=10_000, max_queue_events=1_000_000)
    collector.script(script.stall)
    for _ in range(500):
        client.track("large", {"text": "x" * 500})
    assert client._pipeline.queue.size_bytes <= 10_000
    assert client.pending + client.losses["queue_full"] == 500


def test_7_a_retry_of_what_had_arrived_keeps_its_event_id(
    collector: ScriptedCollector, make_client: MakeClient
) -> None:
    client = make_client()
    collector.script(script.accept_but_reset)
    client.track("once")
    assert client.flush(20)
    first, again = collector.accepted
    assert first == again
