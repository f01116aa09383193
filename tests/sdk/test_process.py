"""The life of a process: import, exit, SIGTERM, fork. Every program here is a real one."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.sdk.conftest import RunScript, read_line
from tests.sdk.scripted_collector import ScriptedCollector

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGTERM are POSIX")

CLIENT = "client = Client(URL, 'key', state_dir=STATE, flush_interval_s=30)\n"


def test_import_stitchline_pulls_nothing_heavy_and_starts_no_thread(run_script: RunScript) -> None:
    program = run_script(
        "heavy = ['aiohttp', 'asyncio', 'clickhouse_connect', 'chdb', 'requests', 'http.client', 'ssl', 'email',"
        " 'gzip', 'hashlib', 'logging', 'phonenumbers', 'pathlib', 'random', 'stitchline_collector']\n"
        "client = Client(URL, 'key', state_dir=STATE)\n"
        "print([name for name in heavy if name in sys.modules], threading.active_count())\n"
    )
    assert program.communicate(timeout=30) == ("[] 1\n", "")


def test_a_normal_end_drains(run_script: RunScript, collector: ScriptedCollector) -> None:
    program = run_script(CLIENT + "client.track('last words')\n")
    assert program.wait(30) == 0
    assert collector.names() == ["last words"]


def test_an_unhandled_exception_drains_too(run_script: RunScript, collector: ScriptedCollector) -> None:
    program = run_script(CLIENT + "client.track('last words')\nraise SystemExit(3)\n")
    assert program.wait(30) == 3
    assert collector.names() == ["last words"]


def test_an_end_without_network_is_bounded_in_time(run_script: RunScript) -> None:
    program = run_script(
        "client = Client('http://127.0.0.1:9', 'key', state_dir=STATE, shutdown_timeout_s=0.3)\nclient.track('lost')\n"
    )
    _, errors = program.communicate(timeout=30)
    assert program.returncode == 0
    assert "'shutdown': 1" in errors


def test_an_event_of_another_exit_handler_is_sent(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(
        CLIENT
        + "import atexit\natexit.register(lambda: client.track('from atexit'))\nclient.track('first')\n"
    )
    assert program.wait(30) == 0
    assert collector.names() == ["first", "from atexit"]


def test_the_very_first_event_may_come_while_the_interpreter_ends(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(CLIENT + "import atexit\natexit.register(lambda: client.track('from atexit'))\n")
    assert program.wait(30) == 0
    assert collector.names() == ["from atexit"]


def test_sigterm_drains_and_the_process_still_dies_of_it(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(CLIENT + "client.track('last words')\nprint('ready', flush=True)\nsignal.pause()\n")
    assert read_line(program) == "ready\n"
    program.terminate()
    assert program.wait(30) == -signal.SIGTERM
    assert collector.names() == ["last words"]


def test_a_hosts_own_sigterm_handler_is_left_alone(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        + CLIENT
        + "client.track('last words')\nprint('ready', flush=True)\nsignal.pause()\n"
    )
    assert read_line(program) == "ready\n"
    program.terminate()
    assert program.wait(30) == 7
    assert collector.names() == ["last words"]


def test_sigterm_is_not_touched_when_told_so(run_script: RunScript) -> None:
    program = run_script(
        "client = Client(URL, 'key', state_dir=STATE, drain_on_sigterm=False)\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\n"
    )
    assert program.communicate(timeout=30)[0] == "True\n"


def test_sigterm_in_the_middle_of_calls_neither_hangs_nor_doubles(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(
        "client = Client(URL, 'key', state_dir=STATE, max_queue_events=1000000)\n"
        "client.track('x')\nprint('ready', flush=True)\nwhile True: client.track('x')\n"
    )
    assert read_line(program) == "ready\n"
    collector.wait_for_events(1000)
    program.terminate()
    assert program.wait(30) == -signal.SIGTERM
    # A request that was cut off at the deadline, or outlasted its time, comes again under the same ids: the collector drops the copies.
    arrived = {event["event_id"]: event for event in collector.accepted}
    numbers = [event["seq"] for event in arrived.values() if event["name"] == "x"]
    # Where the queue filled up, calls are lost and reported in an event of its own, which has no number.
    lost = len(numbers) < len(arrived)
    assert numbers == (sorted(set(numbers)) if lost else list(range(1, len(numbers) + 1)))


def test_a_preloaded_client_works_in_every_forked_worker_and_doubles_nothing(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(
        CLIENT + "client.track('parent before')\n"
        "children = []\n"
        "for worker in range(3):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        client.track('child', {'worker': worker})\n"
        "        sys.exit(0)\n"
        "    children.append(pid)\n"
        "assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]\n"
        "client.track('parent after')\n"
    )
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    assert sorted(collector.names()) == ["child", "child", "child", "parent after", "parent before"]
    assert len({event["event_id"] for event in collector.accepted}) == 5


def test_a_fork_while_the_parent_is_sending_gives_the_child_free_locks(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(
        "client = Client(URL, 'key', state_dir=STATE, flush_interval_s=0.001, max_batch_events=5)\n"
        "stop = threading.Event()\n"
        "def busy():\n"
        "    while not stop.is_set(): client.track('parent')\n"
        "threads = [threading.Thread(target=busy, daemon=True) for _ in range(3)]\n"
        "[thread.start() for thread in threads]\n"
        "import warnings; warnings.simplefilter('ignore')\n"
        "for _ in range(20):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        ok = client.track('child') and client.flush(20)\n"
        "        os._exit(0 if ok else 1)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "stop.set()\n"
        "[thread.join() for thread in threads]\n"
    )
    _, errors = program.communicate(timeout=120)
    assert program.returncode == 0, errors
    assert collector.names().count("child") == 20


def test_a_multiprocessing_child_drains_although_it_skips_atexit(
    run_script: RunScript, collector: ScriptedCollector
) -> None:
    program = run_script(
        "import multiprocessing\n" + CLIENT + "def work(): client.track('from the pool')\n"
        "process = multiprocessing.get_context('fork').Process(target=work)\n"
        "process.start()\nprocess.join()\n"
    )
    assert program.wait(30) == 0
    assert collector.names() == ["from the pool"]


def test_only_one_process_counts_for_a_device(run_script: RunScript, collector: ScriptedCollector) -> None:
    program = run_script(
        CLIENT + "client.track('parent')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    client.track('child')\n"
        "    sys.exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "client.track('parent')\n"
    )
    assert program.wait(30) == 0
    counted = {name: [event.get("seq", 0) for event in collector.accepted if event["name"] == name] for name in ("parent", "child")}  # fmt: skip
    assert counted == {"parent": [1, 2], "child": [0]}
