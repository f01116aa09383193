"""What an answer means for its batch, and how long to wait before the next attempt.

In: a status and headers. Out: a verdict, and seconds. One table decides.
"""

from __future__ import annotations

import random
import time
from typing import Final, Literal

from stitchline._losses import warn

Verdict = Literal["delivered", "retry", "split", "drop"]

MAX_RETRY_AFTER_S: Final = 300.0

# Answers that stand for a wrong configuration: the events are good, so an offline folder keeps them and asks slowly.
_CONFIGURATION: Final = {401: "unauthorized", 403: "unauthorized", 404: "not_found"}
_RETRIED: Final = frozenset({408, 425, 429})


def verdict(status: int, *, keeps: bool) -> tuple[Verdict, str]:
    """Say what becomes of a batch.

    Args:
        status: HTTP status of the answer.
        keeps: whether undelivered events outlive the process (an offline folder).

    Returns:
        The verdict, and the reason of the loss where it is a drop. A 3xx is never a success: a captive portal or a
        wrong address answers so, and the events are tried again. So is a 2xx other than 200.
    """
    if status == 200:
        return "delivered", ""
    if status == 413:
        return "split", "too_large"
    if status in _CONFIGURATION:
        return ("retry" if keeps else "drop"), _CONFIGURATION[status]
    if status in _RETRIED or status >= 500 or status < 400:
        return "retry", ""
    return "drop", "refused"


def backoff_s(attempt: int, *, base_s: float, max_s: float) -> float:
    """Return the seconds to wait: exponential, with full jitter.

    Args:
        attempt: failures so far, from 1.
        base_s: the longest wait after the first failure.
        max_s: the longest wait at all.

    See "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter costs the server least.
    """
    ceiling = min(max_s, base_s * 2.0 ** min(attempt - 1, 32))
    return random.uniform(0.0, ceiling)  # noqa: S311 - jitter, not a secret


def retry_after_s(header: str | None, now_s: float | None = None) -> float | None:
    """Return the seconds that the other side asks to wait (RFC 9110, section 10.2.3).

    Args:
        header: seconds, or an HTTP date.
        now_s: now, seconds since 1970; the system's clock when left out.

    Returns:
        0 to 300 seconds, or None when the header is missing or unreadable.
    """
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    from email.utils import parsedate_to_datetime  # dates are rare

    try:
        then = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, then - (time.time() if now_s is None else now_s)), MAX_RETRY_AFTER_S)


class Complaint:
    """Logs the first failure of a row and its end, not every attempt."""

    def __init__(self) -> None:
        self._failing = False

    def failed(self, what: str, waiting_s: float) -> None:
        """Say it, if it is new."""
        if not self._failing:
            warn(
                "events are not getting through (%s); trying again, the first time in %.1f s", what, waiting_s
            )
        self._failing = True

    def delivered(self) -> None:
        """Begin a new row."""
        self._failing = False
