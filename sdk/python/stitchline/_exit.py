"""Ends and forks of the process: who must drain, and when.

In: every pipeline that is made. Guaranteed, each within the Client's `shutdown_timeout_s`:
- a normal end drains (`atexit`);
- SIGTERM drains, then ends the process as it would have: only where nobody else handles SIGTERM when the Client is
  made, and only from the main thread. A host with a handler of its own ends in its own way, which runs `atexit`;
- a `multiprocessing` or `billiard` (Celery) child drains, although those skip `atexit`;
- a forked child begins empty, and no fork happens while a thread of ours is importing.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from stitchline._pipeline import Pipeline

_pipelines: WeakSet[Pipeline] = WeakSet()

# Held while a thread of ours imports, and by every fork: a child forked in the middle of an import would wait for ever
# for a thread that it does not have.
importing = threading.RLock()
_installed = False


def watch(pipeline: Pipeline, *, sigterm: bool) -> None:
    """Drain this pipeline when the process ends, and renew it in forked children."""
    global _installed  # noqa: PLW0603 - process-wide hooks are installed once
    _pipelines.add(pipeline)
    if not _installed:
        _installed = True
        atexit.register(drain_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=importing.acquire, after_in_parent=importing.release, after_in_child=_renew_all
            )
    if sigterm and threading.current_thread() is threading.main_thread():
        _handle_sigterm()


def forget(pipeline: Pipeline) -> None:
    """Stop watching a closed pipeline."""
    _pipelines.discard(pipeline)


def drain_all() -> None:
    """Close every pipeline, each within its own time."""
    for pipeline in list(_pipelines):
        pipeline.close(pipeline.settings.shutdown_timeout_s)


def at_child_exit() -> None:
    """In a child of multiprocessing or billiard, drain before it ends with ``os._exit``.

    Called with the first event, because both clear their finalizers right after the fork.
    """
    for package in ("multiprocessing", "billiard"):
        process: Any = sys.modules.get(f"{package}.process")
        util: Any = sys.modules.get(f"{package}.util")
        # Empty in the main process, which runs atexit.
        if process is not None and util is not None and process.current_process()._identity:  # noqa: SLF001
            util.Finalize(None, drain_all, exitpriority=0)


def _renew_all() -> None:
    importing.release()
    for pipeline in list(_pipelines):
        pipeline.renew()


def _handle_sigterm() -> None:
    import signal  # needed once a Client is made, not at import

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(_signum: int, _frame: object) -> None:
    """Drain, then end as if there had been no handler: the parent sees death by SIGTERM."""
    import signal  # imported already

    drain_all()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
