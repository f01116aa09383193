"""What was lost, by reason: counted, told to the host, and reported to the collector.

In: every event that will not arrive, with its reason. Out: totals, the host's callback, and counts for the next
`stitchline_loss` event. Guaranteed: a count is reported until a collector has it, and the callback's errors stay here.

| reason | what happened |
|---|---|
| `invalid` | a call's values could not be sent (with ``debug=True`` the call raises instead) |
| `identifier_refused` | an identifier names nobody (``""``, ``"null"``, ...): the event went without it |
| `too_large` | the event is over 64 KiB, or the collector found it too large |
| `queue_full` | the memory bound was reached: the newest event is dropped, and its call returns False |
| `offline_full` | the bound of the offline folder was reached: the oldest segment is dropped |
| `offline_corrupt` | a damaged record was found on disk; what follows it in that segment is gone |
| `rejected` | the collector kept the event in its `failed_events` instead |
| `refused` | the collector found the whole batch unreadable (400 and other final answers) |
| `unauthorized`, `not_found` | wrong key, wrong address; with an offline folder events stay there instead |
| `retries_exhausted` | `max_retries` was reached |
| `shutdown` | the time to drain was over, and there is no offline folder |
| `closed` | a call after `close()` |
| `internal_error` | a defect of the SDK |
"""

from __future__ import annotations

import threading
from collections.abc import Callable  # msgspec reads annotations at run time
from typing import Any, Final

import msgspec

LOSS_EVENT: Final = "stitchline_loss"


class Drop(msgspec.Struct, frozen=True):
    """One event that will not arrive, as given to `on_drop`.

    Attributes:
        reason: one of the reasons in the table of `stitchline._losses`.
        event: the event as on the wire; of an invalid one only type and name.
        message: what the collector or the check said.
        path: where in the event, e.g. ``$.properties.price``; empty when it is the whole event.
    """

    reason: str
    event: dict[str, Any]
    message: str = ""
    path: str = ""


class Losses:
    """Counts losses by reason; safe from any thread and from within the callback."""

    def __init__(self, on_drop: Callable[[Drop], object] | None = None) -> None:
        self._on_drop = on_drop
        self._lock = threading.RLock()  # reentrant: a signal handler or a destructor may drop events as well
        self._totals: dict[str, int] = {}
        self._unreported: dict[str, int] = {}
        self._busy = threading.local()
        self.version = 0

    @property
    def totals(self) -> dict[str, int]:
        """All losses since the start, by reason."""
        with self._lock:
            return dict(self._totals)

    @property
    def unreported(self) -> dict[str, int]:
        """The losses that no collector has been told of yet."""
        with self._lock:
            return dict(self._unreported)

    def count(self, reason: str, number: int = 1) -> None:
        """Count losses that have no event to show."""
        with self._lock:
            self._totals[reason] = self._totals.get(reason, 0) + number
            self._unreported[reason] = self._unreported.get(reason, 0) + number
            self.version += 1

    def drop(self, reason: str, event: bytes, message: str = "", path: str = "") -> None:
        """Count one lost event and show it to the host."""
        self.count(reason)
        if self._on_drop is not None:
            self._tell(reason, msgspec.json.decode(event), message, path)

    def drop_all(self, reason: str, events: list[bytes], message: str = "") -> None:
        """Count many lost events and show each to the host."""
        if self._on_drop is None:
            if events:
                self.count(reason, len(events))
            return
        for event in events:
            self.drop(reason, event, message)

    def drop_invalid(self, kind: str, name: object, message: str) -> None:
        """Count a call whose values cannot be sent."""
        self.count("invalid")
        if self._on_drop is not None:
            self._tell("invalid", {"type": kind, "name": name}, message, "")

    def restore(self, counts: dict[str, int]) -> None:
        """Take over what an earlier process had not reported yet."""
        with self._lock:
            for reason, number in counts.items():
                self._unreported[reason] = self._unreported.get(reason, 0) + number

    def reported(self, counts: dict[str, int]) -> None:
        """Forget what the collector has been told."""
        with self._lock:
            for reason, number in counts.items():
                left = self._unreported.get(reason, 0) - number
                if left > 0:
                    self._unreported[reason] = left
                else:
                    self._unreported.pop(reason, None)
            self.version += 1

    def _tell(self, reason: str, event: dict[str, Any], message: str, path: str) -> None:
        """Call the host; a drop caused by the callback itself is only counted, or it would never end."""
        if self._on_drop is None or getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            self._on_drop(Drop(reason, event, message, path))
        except Exception:  # noqa: BLE001 - the host's callback must not stop delivery
            warn("on_drop raised an exception; the loss is counted all the same", exc_info=True)
        finally:
            self._busy.now = False


def warn(message: str, *args: object, exc_info: bool = False) -> None:
    """Log a warning to the logger `stitchline`."""
    import logging  # 5 ms that most programs of this SDK never need at import

    logging.getLogger("stitchline").warning(message, *args, exc_info=exc_info)
