"""The parent: it binds the ports, starts the other processes, and starts them again when they die.

It reads no event and imports nothing that starts a thread, so that it can fork at any time, and so that there is little that
could kill it. Its children hold one end of a pipe; when it dies, they see the pipe close, and end in good order.

The sockets belong to the parent: what arrives while a process starts again waits in its queue, and is not refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from ..logs import Log, call_process
from ..receive.rates import Accounts
from ..serve import Collector
from ..serving import BACKLOG, run
from ..settings import Settings
from ..spool import group
from .child import LONGEST_WAIT_S, Child, has_ended
from .counts import Totals
from .intake import GroupIntake
from .worker import Worker

_STOP_SLACK_S = 30.0  # beyond `stop_timeout_s`, until a child that does not end is killed
_TICK_S = 0.5
log = Log(__name__)


class StartFailed(Exception):
    """A process could not start, and has said why."""


class Parent:
    """All processes of one `serve --workers`.

    Args:
        settings: The effective settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spool = settings.data_path / "spool"
        self._accounts = Accounts()
        self._stop = False
        self._children: list[Child] = []
        self._alive_r, self._alive_w = os.pipe()
        self._wake_r, self._wake_w = os.pipe()

    def run(self, announce: Callable[[int], None]) -> None:
        """Serve until SIGTERM or SIGINT.

        Args:
            announce: Told the port when all of them listen.

        Raises:
            OSError: the data folder or the port cannot be used.
            StartFailed: a process could not start at first.
        """
        self._group = group.found(self._spool)
        folder = Path(tempfile.mkdtemp(prefix="stitchline-"))  # a unix socket's path must be short
        try:
            self._watch_signals()
            self._wait_for_predecessors()
            self._listen(folder / "loader")
            self._start_all()
            if not self._stop:
                announce(self._sockets[0].getsockname()[1])
            while not self._stop:
                waited_s = self._wait(_TICK_S)
                self._end_hung(min(waited_s, 2 * _TICK_S))
                self._restart()
        finally:
            self._end_all()
            shutil.rmtree(folder, ignore_errors=True)
            group.disband(self._spool, self._group)

    def _listen(self, path: Path) -> None:
        settings = self._settings
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        address: tuple[str, int] = (settings.host, settings.port)
        with socket.socket(family) as probe:
            # Without SO_REUSEPORT, to find out that somebody has the port, instead of sharing it with him.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            address = probe.getsockname()[:2]
        self._address, self._family = address, family
        self._sockets = [self._bind() for _ in range(settings.workers)]
        questions = socket.socket(socket.AF_UNIX)
        questions.bind(str(path))
        questions.listen(BACKLOG)
        totals = self._totals = Totals(settings.workers)
        loader = Child(
            "loader", lambda: Collector(settings, GroupIntake(self._spool, self._group, totals), questions)
        )
        workers = [
            Child(f"worker {number + 1}", partial(self._make_worker, number, str(path)), number)
            for number in range(settings.workers)
        ]
        self._children = [loader, *workers]

    def _make_worker(self, number: int, loader: str) -> Worker:
        counts = self._totals.before_folders[number + 1]
        return Worker(self._settings, self._group, self._sockets[number], loader, self._accounts, counts)

    def _bind(self) -> socket.socket:
        bound = socket.socket(self._family)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(self._address)
        bound.listen(BACKLOG)
        return bound

    def _rebind(self, number: int) -> None:
        """Give a worker that does not last a new socket: who waits in the old one is let go, to be heard by another."""
        fresh = self._bind()
        self._sockets[number].close()
        self._sockets[number] = fresh

    def _watch_signals(self) -> None:
        os.set_blocking(self._wake_w, False)
        os.set_blocking(self._wake_r, False)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _on_stop(self, *_: object) -> None:
        self._stop = True

    def _wait(self, timeout_s: float) -> float:
        """Sleep until a signal comes; returns how long."""
        began = time.monotonic()
        select.select([self._wake_r], [], [], timeout_s)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_r, 4096)
        return time.monotonic() - began

    def _wait_for_predecessors(self) -> None:
        """Let the children of a parent that was killed end: they have the port and the engine's folder."""
        deadline = time.monotonic() + self._settings.stop_timeout_s + _STOP_SLACK_S
        said = False
        while not self._stop and group.others_live(self._spool, self._group):
            if time.monotonic() > deadline:
                return  # another `serve --workers` on this folder; where that cannot be, the engine says so
            if not said:
                log.info("waiting for the processes of an earlier start to end", event="predecessors_live")
                said = True
            self._wait(_TICK_S / 5)

    def _start_all(self) -> None:
        """Start the loader, which opens ClickHouse or cannot, and then the workers."""
        loader, workers = self._children[:1], self._children[1:]
        for children in (loader, workers):
            waiting = {self._fork(child): child for child in children}
            while waiting and not self._stop:
                ready = select.select(list(waiting), [], [], _TICK_S)[0]
                # The loader may take its time: it brings the schema up to date.
                if not ready and children is workers:
                    self._end_hung(_TICK_S)
                for ready_r in ready:
                    child = waiting.pop(ready_r)
                    # Who was killed is noted by `_restart`, and started again like any other.
                    if not os.read(ready_r, 1) and not child.was_killed():
                        raise StartFailed(f"{child.name} did not start")
                    os.close(ready_r)

    def _end_hung(self, passed_s: float) -> None:
        """Kill who does not answer any more: what it has acknowledged is on disk, and who waits for it is heard by its successor."""
        for child in self._children:
            child.watch(passed_s)
            if child.pid and child.silent_s > self._settings.hang_timeout_s:
                log.error(
                    "%(child)s, process %(child_pid)d, hangs for %(silent_s).0f s: killed",
                    event="process_hangs",
                    child=child.name,
                    child_pid=child.pid,
                    silent_s=child.silent_s,
                )
                os.kill(child.pid, signal.SIGKILL)
                child.silent_s, child.is_hung = 0.0, True

    def _restart(self) -> None:
        """Note who died, and start again who is due."""
        now = time.monotonic()
        for child in self._children:
            if child.pid and has_ended(child, now):
                log.warning(
                    "starting %(child)s again in %(wait_s).1f s",
                    event="process_restarts",
                    child=child.name,
                    wait_s=child.due_at - now,
                )
                self._totals.restarts[child.restart] += 1
            if not child.pid and now >= child.due_at:
                try:
                    if child.failures > 1 and child.worker is not None:
                        self._rebind(child.worker)
                    os.close(self._fork(child))
                except OSError as error:
                    child.due_at = now + LONGEST_WAIT_S
                    log.error(  # noqa: TRY400
                        "%(child)s cannot be started: %(error)s",
                        event="process_not_started",
                        child=child.name,
                        error=error,
                    )

    def _fork(self, child: Child) -> int:
        """Start a process; returns a file on which it says that it listens."""
        ready_r, ready_w = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child.started_at, child.silent_s, child.is_hung = time.monotonic(), 0.0, False
        child.pid = os.fork()
        if child.pid == 0:
            self._be(child, ready_w)
        os.close(ready_w)
        log.info(
            "%(child)s is process %(child_pid)d",
            event="process_started",
            child=child.name,
            child_pid=child.pid,
        )
        return ready_r

    def _be(self, child: Child, ready_w: int) -> NoReturn:
        """Be a child, from the fork to the end."""
        status = 1
        try:
            call_process(child.name)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._alive_w)  # or it would keep the pipe open itself
            for number, bound in enumerate(self._sockets):
                if number != child.worker:
                    bound.close()  # or it would stay open when the parent lets it go, with nobody to answer

            def listens(_port: int) -> None:
                with contextlib.suppress(OSError):  # nobody waits for it
                    os.write(ready_w, b"1")

            run(child.make, listens, self._alive_r, child.beat)
            status = 0
        except BaseException as error:
            if isinstance(error, (OSError, ValueError)):
                log.error("%(child)s: %(error)s", event="process_failed", child=child.name, error=error)  # noqa: TRY400
            else:
                log.exception("%(child)s: %(error)s", event="process_failed", child=child.name, error=error)
        finally:
            logging.shutdown()
            os._exit(status)  # nothing of the parent's is to be run here

    def _end_all(self) -> None:
        os.close(
            self._alive_w
        )  # all of them stop, also one that is just starting and would not hear a signal
        children = [child for child in self._children if child.pid]
        deadline = time.monotonic() + self._settings.stop_timeout_s + _STOP_SLACK_S
        while any(child.pid and not has_ended(child, 0.0) for child in children):
            if time.monotonic() > deadline:
                for child in (child for child in children if child.pid):
                    log.error(
                        "%(child)s does not end: killed", event="process_does_not_end", child=child.name
                    )
                    os.kill(child.pid, signal.SIGKILL)
            self._wait(_TICK_S)
