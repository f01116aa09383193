"""The demo as a newcomer runs it: a process on a terminal-less machine, in an empty folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from stitchline_collector.demo.stories import STORIES, folder
from tests.clickhouse_server import free_port

WITHIN_S = 120
WIDTH = 80


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "stitchline_collector", "demo", "--port", str(free_port()), *options]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), "COLUMNS": str(WIDTH), "STITCHLINE_KEYS": "not for the demo"}


def test_once_plays_every_journey_prints_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ended = subprocess.run(
        command("--once"),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env=environment(tmp_path),
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    for story in STORIES:
        assert story.title in ended.stdout
        assert re.search(rf"{story.who}\s+person \d+", ended.stdout), ended.stdout
        assert f"{story.events} events" in ended.stdout
    assert re.search(r"offer_accepted in the app, \d+\.\d\d s ago", ended.stdout), ended.stdout
    assert "curl -s http://127.0.0.1:" in ended.stdout
    assert re.search(r"http://127\.0\.0\.1:\d+/#key=demo&view=person", ended.stdout), ended.stdout
    assert [line for line in ended.stdout.splitlines() if len(line) > WIDTH] == []
    assert list(tmp_path.iterdir()) == []


def test_it_stays_up_until_ctrl_c_and_then_ends_its_collector(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(), stdout=subprocess.PIPE, text=True, bufsize=1, env=environment(tmp_path)
    ) as demo:
        assert demo.stdout is not None
        url = ""
        for line in demo.stdout:
            url = url or (re.search(r"http://127\.0\.0\.1:\d+", line) or [""])[0]
            if line.startswith("It stays up"):
                break
        with urllib.request.urlopen(f"{url}/health/ready", timeout=5) as answer:
            assert answer.status == 200
        demo.send_signal(signal.SIGINT)
        assert demo.wait(WITHIN_S) == 0

    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/health/ready", timeout=5)
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_not_in_the_way_and_sigterm_ends_it_in_good_order(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with subprocess.Popen(
            [sys.executable, "-m", "stitchline_collector", "demo", "--port", str(port)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(tmp_path),
        ) as demo:
            assert demo.stdout is not None
            first = demo.stdout.readline()
            demo.terminate()
            assert demo.wait(WITHIN_S) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    assert "http://127.0.0.1:" in first
    assert str(port) not in first


def test_a_collector_that_cannot_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    (blocked / "contact.key").mkdir(parents=True)  # a folder where a file is wanted
    ended = subprocess.run(
        command("--once", "--data", str(blocked)),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env=environment(tmp_path),
        check=False,
    )
    assert ended.returncode == 1
    assert "the collector ended with status" in ended.stderr
    assert "collector.log" in ended.stderr
    assert "Is a directory" in ended.stderr


def test_every_touchpoint_is_a_script_and_every_script_is_a_touchpoint() -> None:
    named = {touchpoint.script for story in STORIES for touchpoint in (*story.touchpoints, *story.live)}
    assert named == {path.stem for path in folder().glob("*.py")}
