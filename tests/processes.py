"""Real processes for the tests: a `stitchline serve` that can be asked, killed and started again.

In: a data folder and a ClickHouse DSN. Out: a process that is ready.
Guaranteed: it is ended by its pid, and its output is kept beside the data folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.clickhouse_server import free_port

_READY_WITHIN_S = 60
_END_WITHIN_S = 60
KEY = "test-key"
SAME_KEY = {"STITCHLINE_CONTACT_KEY": "ab" * 32}  # of contacts, as collectors of one database have it


def processes(collector: CollectorProcess) -> dict[str, int]:
    """The processes under the parent of `serve --workers` now, by name: `loader`, `worker 1` and so on."""
    return {
        name: int(pid) for name, pid in re.findall(r"(loader|worker \d+) is process (\d+)", collector.log())
    }


def lives(pid: int) -> bool:
    """Whether there is such a process, and not only what its parent has not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class CollectorProcess:
    """One `stitchline serve`.

    Attributes:
        url: e.g. `http://127.0.0.1:4242`; the same after a restart.
        data: the data folder.
    """

    def __init__(
        self,
        data: Path,
        dsn: str,
        *options: str,
        env: dict[str, str] | None = None,
        program: tuple[str, ...] = ("-m", "stitchline_collector"),
    ) -> None:
        self.data = data
        self.dsn = dsn
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self._program = program
        self._env = env or {}
        self._log = data.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None, "the collector is not running"
        return self._process.pid

    def start(self, *, until_ready: bool = True) -> Self:
        """Start it.

        Args:
            until_ready: wait until it can acknowledge events.

        Raises:
            RuntimeError: it ended or was not ready in time; the message holds its output.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        command = [
            *(sys.executable, *self._program, "serve", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--data", str(self.data), "--clickhouse", self.dsn, *self._options),
        ]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, **self._env}
            )
        if until_ready:
            self._wait_until_ready()
        return self

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def pids(self) -> list[int]:
        """All its processes that there are, the parent of workers first."""
        return [*([self.pid] if self.runs else ()), *filter(self._is_ours, processes(self).values())]

    def kill_all(self) -> None:
        """kill -9 of all its processes at once, as by a power cut, and wait until they are gone."""
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kill()
        deadline = time.monotonic() + _END_WITHIN_S
        while any(map(self._is_ours, pids)):
            assert time.monotonic() < deadline, "a killed process does not end"
            time.sleep(0.02)

    def terminate(self) -> int:
        """SIGTERM, and wait until it has ended by itself; returns its exit status."""
        return self._end(signal.SIGTERM)

    def restart(self) -> Self:
        """kill -9 and start again on the same port and data."""
        self.kill()
        return self.start()

    def log(self) -> str:
        """Everything it has printed so far, over all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 30,
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one HTTP request with the test key; a status of 400 or more is an answer, not an exception."""
        request = urllib.request.Request(
            self.url + path,
            data=body,
            method=method,
            headers={"Authorization": f"Bearer {KEY}", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def send(self, *events: dict[str, Any], **envelope: Any) -> dict[str, Any]:
        """Send events as one native batch and return the reply."""
        body = json.dumps({**envelope, "events": list(events)}).encode()
        status, _, answer = self.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
        assert status == 200, f"{status}: {answer!r}"
        return dict(json.loads(answer))

    def sql(self, query: str) -> list[list[Any]]:
        """Ask ClickHouse through the collector; returns the rows."""
        status, _, answer = self.request("POST", "/v1/sql?format=JSONCompact", query.encode())
        assert status == 200, f"{status}: {answer.decode()}"
        return list(json.loads(answer)["data"])

    def sql_until(self, query: str, expected: Any, within_s: float = 30) -> list[list[Any]]:
        """Ask until the rows equal `expected`, and return them; fails with the last rows after the deadline."""
        deadline = time.monotonic() + within_s
        while (rows := self.sql(query)) != expected:
            assert time.monotonic() < deadline, (
                f"still {rows} after {within_s} s, expected {expected}\n{self.log()[-2000:]}"
            )
            time.sleep(0.05)
        return rows

    def _is_ours(self, pid: int) -> bool:
        """Whether a process of that number is still one of these."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return lives(pid) and str(self.data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        return False

    def _end(self, with_signal: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(with_signal)
        try:
            return process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(
                f"the collector did not end within {_END_WITHIN_S} s:\n{self.log()[-4000:]}"
            ) from None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"the collector ended with {self._process.returncode}:\n{self.log()[-4000:]}"
                )
            try:
                if self.request("GET", "/health/ready", timeout_s=5)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the collector was not ready within {_READY_WITHIN_S} s:\n{self.log()[-4000:]}")
