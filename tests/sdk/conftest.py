from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stitchline import Client
from tests.sdk.scripted_collector import ScriptedCollector

MakeClient = Callable[..., Client]
RunScript = Callable[[str], "subprocess.Popen[str]"]


def read_line(program: subprocess.Popen[str]) -> str:
    """Return the next line that a program prints."""
    assert program.stdout is not None
    return program.stdout.readline()


@pytest.fixture
def collector() -> Iterator[ScriptedCollector]:
    made = ScriptedCollector()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def make_client(collector: ScriptedCollector, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Make clients of the scripted collector that wait little, and close them."""
    made: list[Client] = []

    def make(**settings: Any) -> Client:
        defaults: dict[str, Any] = {
            "state_dir": tmp_path / "state",
            "flush_interval_s": 0.02,
            "backoff_s": 0.01,
            "max_backoff_s": 0.05,
            "drain_on_sigterm": False,
        }
        client = Client(settings.pop("endpoint", collector.url), "key", **(defaults | settings))
        made.append(client)
        return client

    yield make
    for client in made:
        client.close(timeout_s=0.5)


@pytest.fixture
def run_script(
    collector: ScriptedCollector, tmp_path: Path
) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start programs of their own; ``URL``, ``STATE`` and ``DIR`` are given to them."""
    started: list[subprocess.Popen[str]] = []
    prelude = (
        "import os, signal, sys, time, threading\nimport stitchline\nfrom stitchline import Client\n"
        f"URL, STATE, DIR = {collector.url!r}, {str(tmp_path / 'state')!r}, {str(tmp_path / 'offline')!r}\n"
    )

    def run(source: str) -> subprocess.Popen[str]:
        program = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", prelude + source],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that what it forked ends with it
        )
        started.append(program)
        return program

    yield run
    for program in started:
        if sys.platform == "win32":
            program.kill()
        else:
            with contextlib.suppress(ProcessLookupError):  # nobody of its group is left
                os.killpg(program.pid, signal.SIGKILL)
        program.wait(10)
        for stream in (program.stdout, program.stderr):
            if stream is not None:
                stream.close()
