"""The stage of the chaos test: a ClickHouse server behind a moody proxy, a collector on a small disk, and an app with the SDK.

In: a folder, a seed, and how many workers the collector has. Out: processes that can be killed, frozen and starved.
Guaranteed: all of them end with the stage.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from stitchline_collector.engine import Engine, EngineUnavailable, Session
from stitchline_collector.migrate import apply
from tests.chaos.clients import SdkApp, Senders
from tests.chaos.clocked_collector import FILE
from tests.chaos.proxy import Proxy
from tests.clickhouse_server import ClickHouseServer, free_port
from tests.processes import CollectorProcess, processes
from tests.system.ledger import metrics

WITHIN_S = 120  # for anything that must happen: a slow and busy machine takes its time
_DISK_BYTES = 64 * 1024 * 1024
_HANG_TIMEOUT_S = 5
_AUDIT = (
    """CREATE TABLE chaos_audit (event_id UUID, name String) ENGINE = MergeTree ORDER BY (name, event_id)
       SETTINGS non_replicated_deduplication_window = 10000""",
    "CREATE MATERIALIZED VIEW chaos_audit_view TO chaos_audit AS SELECT event_id, name FROM events_raw",
)
Metrics = dict[str, float]


def until(true: Callable[[], object], what: str) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not, after a long time; `what` was waited for.
    """
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline, f"not within {WITHIN_S} s: {what}"
        time.sleep(0.02)


class Stage:
    """Everything that runs.

    Attributes:
        server, proxy: ClickHouse, and what stands between it and the collector.
        collector: `stitchline serve`.
        workers: With how many; 0 is one process for all.
        senders: Who sends just now.
        spool: The collector's spool folder.
        has_small_disk: Whether the spool lies on a file system of its own, which can be filled.
    """

    senders: Senders

    def __init__(self, folder: Path, seed: int, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self.server = ClickHouseServer(folder / "server")
        self.proxy = Proxy(free_port(), self.server.http_port, seed)
        data = folder / "data"
        self.spool = data / "spool"
        self._disk = folder / "disk"
        self._clock = folder / "clock"
        self.collector = CollectorProcess(
            data,
            f"clickhouse://127.0.0.1:{self.proxy.port}/stitchline",
            *(("--workers", str(workers)) if workers else ()),
            env={
                FILE: str(self._clock),
                "STITCHLINE_SEAL_AGE_S": "0.2",
                "STITCHLINE_HANG_TIMEOUT_S": str(_HANG_TIMEOUT_S),
            },
            program=(str(Path(__file__).with_name("clocked_collector.py")),),
        )
        self._is_limited = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.spool.parent.mkdir(parents=True)
            self.has_small_disk = stack.enter_context(_mounted(self._disk))
            if self.has_small_disk:
                self.spool.symlink_to(self._disk)
            stack.enter_context(self.server)
            self._session = self._prepared(stack)
            stack.enter_context(self.proxy)
            stack.callback(self.collector.kill_all)
            self.collector.start()
            self.app = SdkApp(self.collector.url, self.folder / "sdk")
            stack.callback(self.app.end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def parts(self) -> tuple[str, ...]:
        """What can be killed alone."""
        workers = (f"worker {number + 1}" for number in range(self.workers))
        return ("collector", "loader", *workers) if self.workers else ("collector",)

    def pid(self, part: str) -> int:
        """The process that is this part now; `collector` is the parent of the others."""
        return self.collector.pid if part == "collector" else processes(self.collector)[part]

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to all processes of the collector."""
        for pid in self.collector.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, what)

    def set_clock(self, offset_s: float) -> None:
        """Step the collector's clock."""
        new = self._clock.with_suffix(".new")
        new.write_text(str(offset_s))
        new.rename(self._clock)

    def restart(self, part: str) -> None:
        """kill -9 of a part, and a start that waits for nothing but an answer; the parent starts its children again itself."""
        pid = self.pid(part)
        if part == "collector":
            self.collector.kill()
            self.collector.start(until_ready=False)
        else:
            os.kill(pid, signal.SIGKILL)
            self.wait_for_successor(part, pid)
        if self._is_limited:
            self._limit_files("4096")
        until(self.answers, "the collector answers")

    def wait_for_successor(self, part: str, pid: int) -> None:
        """Wait until another process is this part."""
        until(lambda: self.pid(part) != pid, f"{part} is started again")

    def fill_disk(self) -> None:
        """Leave no byte free where the spool lies."""
        if not self.has_small_disk:
            self._limit_files("4096")
            return
        with contextlib.suppress(OSError), (self._disk / "ballast").open("ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def free_disk(self) -> None:
        """Give the space back."""
        if self.has_small_disk:
            (self._disk / "ballast").unlink()
        else:
            self._limit_files("unlimited")

    def metrics(self) -> Metrics:
        """Every sample of `/metrics`, by name and labels as they are printed; whoever answers that may just be starting."""
        found: Metrics = {}

        def ask() -> bool:
            with contextlib.suppress(AssertionError, OSError, http.client.HTTPException):
                found.update(metrics(self.collector))
            return bool(found)

        until(ask, "/metrics")
        return found

    def ask(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Ask ClickHouse itself, past proxy and collector; it may just have been started."""
        try:
            return list(self._session.query(query, parameters))
        except EngineUnavailable:  # a connection to the server of before
            return list(self._session.query(query, parameters))

    def tell(self, statement: str) -> None:
        """Have ClickHouse itself do something."""
        self._session.command(statement)

    def answers(self) -> bool:
        """Whether the collector answers at all."""
        with contextlib.suppress(OSError):
            return self.collector.request("GET", "/health/live")[0] == 200
        return False

    def is_ready(self) -> bool:
        """Whether the collector says that it can acknowledge."""
        with contextlib.suppress(OSError):
            return self.collector.request("GET", "/health/ready")[0] == 200
        return False

    def _prepared(self, stack: contextlib.ExitStack) -> Session:
        engine = stack.enter_context(Engine.open(self.server.dsn()))
        apply(engine)
        session = engine.session()
        stack.callback(session.close)
        for statement in _AUDIT:
            session.command(statement)
        return session

    def _limit_files(self, size: str) -> None:
        self._is_limited = size != "unlimited"
        for pid in self.collector.pids():
            subprocess.run(
                ["prlimit", f"--fsize={size}:", "--pid", str(pid)], check=False
            )  # it may just have ended


@contextlib.contextmanager
def _mounted(disk: Path) -> Iterator[bool]:
    """A small file system, where one may be mounted."""
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=True)
