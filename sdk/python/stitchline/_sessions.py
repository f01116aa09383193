"""The session of a device that one person uses at a time.

In: the time of each event. Out: the session's id. Guaranteed: silence longer than the limit, or `end`, starts another.
The wall clock decides, because it also counts while a laptop sleeps; a clock that is set back ends nothing.
"""

from __future__ import annotations

from typing import Final

from stitchline._ids import new_id

SESSION_TIMEOUT_S: Final = 1800.0
SHARED_SESSION_TIMEOUT_S: Final = 120.0
SHARED_TYPES: Final = frozenset({"kiosk", "atm", "pos"})


def default_timeout_s(device_type: str) -> float:
    """Return the silence that ends a session: 2 minutes where strangers follow each other, else 30."""
    return SHARED_SESSION_TIMEOUT_S if device_type in SHARED_TYPES else SESSION_TIMEOUT_S


class Session:
    """One session after another."""

    __slots__ = ("_id", "_last_ms", "_timeout_ms")

    def __init__(self, timeout_s: float) -> None:
        self._timeout_ms = int(timeout_s * 1000)
        self._id: str | None = None
        self._last_ms = 0

    @property
    def id(self) -> str | None:
        """The session of the last event; None when it has ended."""
        return self._id

    def touch(self, ms: int) -> str:
        """Return the session's id at the time of an event.

        Args:
            ms: time of the event, milliseconds since 1970.
        """
        if self._id is None or ms - self._last_ms > self._timeout_ms:
            self._id = new_id(ms)
        self._last_ms = ms
        return self._id

    def is_over(self, ms: int) -> bool:
        """Say whether an event at this time would follow a silence that ended the session.

        Args:
            ms: time of the event, milliseconds since 1970.
        """
        return self._id is not None and ms - self._last_ms > self._timeout_ms

    def end(self) -> None:
        """End the session; the next event begins another."""
        self._id = None
