"""The offline folder: what a kiosk said survives crash and power loss, bounded and in order."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline import Drop
from stitchline._segments import MAGIC, create, framed, parsed, recover
from tests.sdk import scripted_collector as script
from tests.sdk.conftest import MakeClient, RunScript, read_line
from tests.sdk.scripted_collector import ScriptedCollector

NOWHERE = "http://127.0.0.1:9"


def numbers(collector: ScriptedCollector) -> list[int]:
    return [event["properties"]["n"] for event in collector.accepted if event["name"] == "n"]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.seg"))


def until(happened: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(0, 6000))
def test_a_torn_file_gives_back_its_whole_records_and_no_other(payloads: list[bytes], cut: int) -> None:
    data = framed(payloads)
    found, ends = parsed(data[:cut])
    assert found == payloads[: len(found)]
    assert (ends[-1] if ends else 0) <= cut
    assert len(found) == len(payloads) or len(framed(payloads[: len(found) + 1])) > min(cut, len(data))


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=10), st.data())
def test_a_flipped_bit_is_never_delivered(payloads: list[bytes], data: Any) -> None:
    body = bytearray(framed(payloads))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    found, _ = parsed(bytes(body))
    assert found == payloads[: len(found)]
    assert len(found) < len(payloads)


def test_a_torn_tail_is_cut_at_the_start(tmp_path: Path) -> None:
    path = str(tmp_path / "000000000001.seg")
    segment, fd = create(path, b'"head":1')
    whole = framed([b"{}", b"{}"])
    with os.fdopen(fd, "wb") as file:
        file.write(whole + framed([b'{"torn":1}'])[:-3])
    found, was_cut = recover(path)
    assert found is not None
    assert was_cut
    assert (found.events, found.size) == (2, segment.size + len(whole))
    assert recover(path)[1] is False


def test_a_file_that_is_no_segment_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "000000000001.seg"
    path.write_bytes(MAGIC + b"\x00\x01")
    assert recover(str(path)) == (None, True)
    assert not path.exists()


def test_events_pass_through_the_disk_and_leave_it_after_the_acknowledgement(
    collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    client = make_client(offline_dir=tmp_path / "off")
    collector.script(script.stall)
    client.track("n", {"n": 1})
    collector.wait_for_requests(1)
    assert segments(tmp_path / "off")
    collector.released.set()
    assert client.flush(20)
    assert numbers(collector) == [1]
    until(lambda: not segments(tmp_path / "off"))


def test_without_network_a_closed_client_keeps_everything_for_the_next(
    collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    offline = make_client(endpoint=NOWHERE, offline_dir=tmp_path / "off")
    for number in range(30):
        offline.track("n", {"n": number})
    assert offline.close(timeout_s=0.3) is False
    assert offline.losses == {}
    online = make_client(offline_dir=tmp_path / "off")
    assert online.pending == 30
    collector.wait_for_events(30)
    assert numbers(collector) == list(range(30))


def test_a_restarted_kiosk_sends_old_events_before_new_ones_and_without_a_new_one(
    collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    before = make_client(endpoint=NOWHERE, offline_dir=tmp_path / "off")
    before.track("n", {"n": 0})
    before.close(timeout_s=0.2)
    after = make_client(offline_dir=tmp_path / "off")
    collector.wait_for_events(1)
    after.track("n", {"n": 1})
    assert after.flush(20)
    assert numbers(collector) == [0, 1]


def test_old_events_keep_the_device_they_happened_on(
    collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    before = make_client(endpoint=NOWHERE, offline_dir=tmp_path / "off", app_version="1.0")
    before.track("n", {"n": 0})
    before.close(timeout_s=0.2)
    after = make_client(offline_dir=tmp_path / "off", app_version="2.0")
    after.track("n", {"n": 1})
    assert after.flush(20)
    assert [request.batch["device"]["app_version"] for request in collector.requests] == ["1.0", "2.0"]


def test_kill_9_loses_nothing_that_was_on_disk(
    run_script: RunScript, collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    program = run_script(
        "client = Client('http://127.0.0.1:9', 'key', state_dir=STATE, offline_dir=DIR)\n"
        "n = 0\n"
        "while True:\n"
        "    client.track('n', {'n': n})\n"
        "    n += 1\n"
        "    if n % 50 == 0:\n"
        "        disk = client._pipeline.queue\n"
        "        while disk.events: time.sleep(0.001)\n"
        "        print(n, flush=True)\n"
    )
    on_disk = 0
    while on_disk < 1000:
        on_disk = int(read_line(program))
    program.send_signal(signal.SIGKILL)
    program.wait(10)
    while (line := read_line(program)).endswith("\n"):
        on_disk = int(line)
    client = make_client(offline_dir=tmp_path / "offline")
    client.track("n", {"n": -1})
    assert client.flush(30)
    *old, new = numbers(collector)
    assert new == -1
    assert old == list(range(len(old)))
    assert len(old) >= on_disk


def test_kill_9_while_sending_doubles_no_event_id_in_the_end(
    run_script: RunScript, collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    collector.script(script.accept_but_reset, script.accept)
    program = run_script(
        "client = Client(URL, 'key', state_dir=STATE, offline_dir=DIR, max_batch_events=10, backoff_s=0.01)\n"
        "for n in range(200): client.track('n', {'n': n})\n"
        "time.sleep(60)\n"
    )
    collector.wait_for_events(30)
    program.kill()
    program.wait(10)
    client = make_client(offline_dir=tmp_path / "offline")
    assert client.flush(20)
    by_id = {
        event["event_id"]: event["properties"]["n"] for event in collector.accepted if event["name"] == "n"
    }
    assert sorted(by_id.values()) == list(range(len(by_id)))


def test_two_processes_never_share_and_a_dead_ones_events_are_taken_over(
    run_script: RunScript, collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    waiting = "client = Client('http://127.0.0.1:9', 'key', state_dir=STATE, offline_dir=DIR)\n"
    both = [
        run_script(
            waiting + f"client.track('n', {{'n': {number}}})\n"
            "while client._pipeline.queue.events: time.sleep(0.001)\n"
            "print('written', flush=True)\ntime.sleep(60)\n"
        )
        for number in (1, 2)
    ]
    for program in both:
        assert read_line(program) == "written\n"
    assert len({path.parent for path in segments(tmp_path / "offline")}) == 2
    for program in both:
        program.kill()
        program.wait(10)
    client = make_client(offline_dir=tmp_path / "offline")
    assert client.flush(20)
    assert sorted(numbers(collector)) == [1, 2]


def test_a_forked_child_has_a_slot_of_its_own(run_script: RunScript, collector: ScriptedCollector) -> None:
    program = run_script(
        "client = Client(URL, 'key', state_dir=STATE, offline_dir=DIR)\n"
        "client.track('n', {'n': 1})\n"
        "pid = os.fork()\n"
        "client.track('n', {'n': 2 if pid else 3})\n"
        "assert client.flush(20)\n"
        "if pid: assert os.waitpid(pid, 0)[1] == 0\n"
    )
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    assert sorted(numbers(collector)) == [1, 2, 3]


def test_a_full_folder_drops_the_oldest_and_counts_them(
    collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    drops: list[Drop] = []
    most = 1024 * 1024
    client = make_client(
        endpoint=NOWHERE, offline_dir=tmp_path / "off", max_offline_bytes=most, on_drop=drops.append
    )
    for number in range(100):
        client.track("n", {"n": number, "text": "x" * 20_000})
    until(lambda: client._pipeline.queue.events == 0)
    assert sum(path.stat().st_size for path in segments(tmp_path / "off")) <= most
    client.close(timeout_s=0.2)
    lost = client.losses["offline_full"]
    assert sorted(drop.event["properties"]["n"] for drop in drops) == list(range(lost))
    online = make_client(offline_dir=tmp_path / "off")
    assert online.flush(30)
    assert numbers(collector) == list(range(lost, 100))
    reports = [event["properties"] for event in collector.accepted if event["name"] == "stitchline_loss"]
    assert reports == [{"offline_full": lost}]


def test_a_wrong_key_loses_nothing_with_an_offline_folder(
    collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    client = make_client(offline_dir=tmp_path / "off")
    collector.script(script.status(401), script.status(403), script.status(404))
    client.track("n", {"n": 1})
    assert client.flush(20)
    assert numbers(collector) == [1]
    assert client.losses == {}


def test_a_folder_that_cannot_be_used_leaves_the_memory(
    make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "off").write_text("in the way")
    client = make_client(offline_dir=tmp_path / "off")
    client.track("n", {"n": 1})
    assert client.flush(20)
    assert "in memory only" in caplog.text


def test_a_damaged_record_costs_what_follows_it_in_its_segment_and_is_counted(
    collector: ScriptedCollector, make_client: MakeClient, tmp_path: Path
) -> None:
    before = make_client(endpoint=NOWHERE, offline_dir=tmp_path / "off")
    for number in range(3):
        before.track("n", {"n": number})
    before.close(timeout_s=0.2)
    path = segments(tmp_path / "off")[0]
    data = bytearray(path.read_bytes())
    data[data.rindex(b'"n":2') + 1] ^= 1
    path.write_bytes(data)
    after = make_client(offline_dir=tmp_path / "off")
    assert after.flush(20)
    assert numbers(collector) == [0, 1]
    assert after.losses == {"offline_corrupt": 1}
