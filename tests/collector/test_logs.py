"""The log as JSON: every line of a real collector's stderr through good and bad times, and the names that the page promises."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stitchline_collector.logs import OF_EVERY_LINE
from tests.clickhouse_server import ClickHouseServer
from tests.processes import KEY, CollectorProcess
from tests.system.ledger import prepare
from tests.system.senders import event

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "logs.md").read_text()
CALLS = [*runpy.run_path(str(ROOT / "tools" / "write_pages.py"))["log_calls"]()]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
WITHIN_S = 60


@pytest.fixture
def server(clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A server of this test alone."""
    del clickhouse_server  # asked for only to learn whether one can run here
    with ClickHouseServer(tmp_path / "killed") as server:
        yield server


def lines(log: str) -> list[dict[str, Any]]:
    """Every line as an object; fails on one that is none."""
    found = []
    for text in log.splitlines():
        line = json.loads(text)
        assert TIME.fullmatch(line["time"]), text
        assert line["level"] in {"info", "warning", "error", "critical"}, text
        assert {*OF_EVERY_LINE} - {*line} <= {"exception"}, text
        assert isinstance(line["pid"], int), text
        found.append(line)
    return found


def until(collector: CollectorProcess, name: str, times: int = 1, **fields: object) -> dict[str, Any]:
    """Wait for an event in the log."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        # The last line may be half written.
        log = collector.log()
        there = [
            line
            for line in lines(log[: log.rfind("\n") + 1])
            if line["event"] == name and fields.items() <= line.items()
        ]
        if len(there) >= times:
            return there[-1]
        assert time.monotonic() < deadline, f"{name} {fields}\n{log[-3000:]}"
        time.sleep(0.05)


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_every_line_is_an_object_while_clickhouse_goes_and_comes_back_and_processes_die(
    server: ClickHouseServer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    prepare(server.dsn())
    loader = "loader" if options else "collector"
    collector = CollectorProcess(tmp_path / "data", server.dsn(), "--log-format", "json", *options)
    try:
        collector.start()
        listening = until(collector, "listening", url=collector.url)
        assert listening["process"] == ("parent" if options else "collector")
        secret = {"email": "ada@lovelace.example", "user": "countess"}
        collector.send(event(identifiers=secret, properties={"note": "a-note"}), {"type": "none"})
        collector.sql_until("SELECT count() FROM events", [[1]])
        assert collector.request("POST", "/v1/events", b"\x00{", {"Authorization": "Bearer x"})[0] == 400

        server.kill()
        collector.send(event(identifiers=secret))
        waits = until(collector, "loading_waits", process=loader)
        assert (waits["level"], waits["reason"]) == ("warning", "unreachable")
        assert waits["segments"] >= 1
        server.start()
        goes_on = until(collector, "loading_goes_on", process=loader)
        assert (goes_on["level"], goes_on["reason"]) == ("info", "unreachable")

        if options:
            worker = until(collector, "process_started", child="worker 1")["child_pid"]
            os.kill(worker, signal.SIGKILL)
            died = until(collector, "process_died", child_pid=worker)
            assert (died["process"], died["child"], died["code"]) == ("parent", "worker 1", -9)
            until(collector, "process_started", times=2, child="worker 1")
        else:
            collector.restart()
        collector.sql_until("SELECT count() FROM events", [[2]])
        assert collector.terminate() == 0
    finally:
        collector.kill()

    told = lines(collector.log())
    stopped = {"loader", "worker 1", "worker 2"} if options else {"collector"}
    assert {line["process"] for line in told if line["event"] == "stopping"} == stopped
    assert {line["pid"] for line in told if line["process"] == "worker 2"} <= {
        line["child_pid"] for line in told if line.get("child") == "worker 2"
    }
    for word in (*secret.values(), "a-note", KEY):
        assert word not in collector.log()


def serve(*options: str, env: dict[str, str] | None = None, program: str = "") -> list[dict[str, Any]]:
    """What a collector says that cannot start."""
    command = ["-c", program] if program else ["-m", "stitchline_collector"]
    done = subprocess.run(
        [sys.executable, *command, "serve", *options],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 1
    return lines(done.stderr)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--clickhouse", "mysql://there"), "mysql"),
        (("--clickhouse", "mysql://there", "--workers", "2"), "did not start"),
        (("--host", "0.0.0.0"), "loopback"),
    ],
)
def test_a_start_that_cannot_be_says_why_on_such_a_line_too(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    data = ("--data", str(tmp_path / "data"), "--port", "0")
    for asked in (("--log-format", "json"), ()):
        told = serve(*data, *options, *asked, env={"STITCHLINE_LOG_FORMAT": "json"})
        assert (told[-1]["event"], told[-1]["level"]) == ("cannot_serve", "error")
        assert words in told[-1]["error"]


def test_libraries_warnings_and_defects_of_any_thread_are_such_lines_too(tmp_path: Path) -> None:
    program = """
import logging, sys, threading, warnings
from stitchline_collector.logs import Log, set_up
set_up("json", "collector")
logging.getLogger("aiohttp.server").error("a %s\\nof two lines", "library", extra={"time": "mine"})
warnings.warn("it is old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
try:
    {}["missing"]
except KeyError:
    Log("stitchline_collector.x").exception("odd: %(what)s", event="odd", what="\\udcff\\u00e9")
raise SystemError("at the end")
"""
    library, warning, thread, odd, end = serve("--data", str(tmp_path), program=program)

    assert (library["event"], library["message"]) == ("library", "a library\nof two lines")
    assert (warning["event"], warning["logger"]) == ("library", "py.warnings")
    assert (thread["event"], thread["level"]) == ("uncaught", "critical")
    assert "ZeroDivisionError" in thread["exception"]
    assert (odd["event"], odd["what"]) == ("odd", "\udcff\u00e9")
    assert odd["exception"].endswith("KeyError: 'missing'")
    assert (end["event"], end["error"]) == ("uncaught", "at the end")


def test_in_text_the_same_words_stand_behind_a_time_that_ends_in_z(
    collector: Callable[..., CollectorProcess],
) -> None:
    log = collector().log()
    told = re.findall(r"^(\S+) INFO stitchline_collector\.cli\.serve: listening on http", log, re.MULTILINE)
    assert len(told) == 1
    assert TIME.fullmatch(told[0])


def test_a_line_has_a_name_and_fields_of_its_own() -> None:
    assert len(CALLS) > 50
    for _, name, words, fields in CALLS:
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", name)
        assert f"| `{name}` |" in PAGE
        assert not {*fields} & {*OF_EVERY_LINE}, name
        assert {*re.findall(r"%\((\w+)\)", words)} <= {*fields}, name
        assert "%" not in re.sub(r"%\(\w+\)(\.\d)?[sdrgf]", "", words), name


def test_nothing_writes_to_the_log_past_the_names() -> None:
    folder = ROOT / "collector" / "stitchline_collector"
    calls = re.compile(r"\blog\.(info|warning|error|exception)\(")
    written = sum(len(calls.findall(file.read_text())) for file in folder.rglob("*.py"))
    assert written == len(CALLS)
