"""A process of the parent's, as the parent knows it: whether it lives, whether it stands still, and when it is to come back."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable

from ..logs import Log
from ..serving import Part

STABLE_S = 10.0  # who lived so long is started again at once
LONGEST_WAIT_S = 10.0
log = Log(__name__)


class Child:
    """A process that is to live.

    Args:
        name: In the log.
        make: Makes what it serves; called in the child.
        worker: Which of the workers it is, None for the loader.

    Attributes:
        pulse: Shared memory whose one number the process changes while its event loop runs.
        silent_s: How long it has not changed; the parent's own stops do not count.
        is_hung: Whether it was killed because of that.
    """

    def __init__(self, name: str, make: Callable[[], Part], worker: int | None = None) -> None:
        self.name = name
        self.make = make
        self.worker = worker
        self.pid = 0
        self.started_at = 0.0
        self.due_at = 0.0
        self.failures = 0
        self.pulse = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self.seen = 0
        self.silent_s = 0.0
        self.is_hung = False

    @property
    def restart(self) -> tuple[str, str]:
        """As what it is counted when it is started again."""
        return "loader" if self.worker is None else "worker", "hung" if self.is_hung else "died"

    def was_killed(self) -> bool:
        """Wait until it has ended; if it did so by itself, it is nobody's process any more."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if found is not None and found.si_code != os.CLD_EXITED:
            return True
        os.waitpid(self.pid, 0)
        self.pid = 0
        return False

    def beat(self) -> None:
        """Say that it runs; called in the process."""
        self.pulse[0] += 1

    def watch(self, passed_s: float) -> None:
        """Note whether it has said so; called by the parent."""
        if self.pulse[0] == self.seen:
            self.silent_s += passed_s
        else:
            self.seen, self.silent_s = self.pulse[0], 0.0


def has_ended(child: Child, now: float) -> bool:
    """Whether a process is gone; says so, and when it is to come back."""
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if not pid:
        return False
    code = os.waitstatus_to_exitcode(status)
    if code:
        log.error(
            "%(child)s, process %(child_pid)d, ended with %(code)d",
            event="process_died",
            child=child.name,
            child_pid=pid,
            code=code,
        )
    child.failures = 0 if now - child.started_at > STABLE_S else child.failures + 1
    child.pid = 0
    child.due_at = now + (min(LONGEST_WAIT_S, 0.1 * 2**child.failures) if child.failures > 1 else 0.0)
    return True
