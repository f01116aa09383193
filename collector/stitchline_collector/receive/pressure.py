"""Refuses early when requests come faster than they can be taken.

Enters: how far the event loop is behind. Leaves: a refusal, before a request's body is read. Guaranteed: a request that is taken has not
waited longer than `longest_s` for its turn in this round of the loop, and who sends no more than a fair share is refused last.

One round of the loop takes what had arrived when it began, in turn. So the age of the round is how long those at its end have waited. What
is refused costs a fraction of what is taken, and its sender comes back after `Retry-After`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable

from ..logs import Log
from .refusals import Refusal, unavailable

_TICK_S = 0.05
_PERIOD_S = 1.0  # over which shares are compared
_SAY_EVERY_S = 10.0
log = Log(__name__)


class Pressure:
    """Whether the next request can be taken in time.

    Args:
        longest_s: Seconds that a request may wait for its turn; 0 is any time.
        now: A monotonic clock.
    """

    def __init__(self, longest_s: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._longest_s = longest_s or math.inf
        self._now = now
        self._due = math.inf  # when the loop will have ended its round, if it is not late
        self._spent: Counter[str] = Counter()  # events by source, of this period and the one before
        self._spent_before: Counter[str] = Counter()
        self._period_ends = 0.0
        self._refused = 0
        self._say_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to watch; call on the event loop."""
        self.tick()
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self.start)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def tick(self) -> None:
        """A round of the loop begins."""
        now = self._now()
        self._due = now + _TICK_S
        if now >= self._period_ends:
            self._spent_before, self._spent = self._spent, Counter()
            self._period_ends = now + _PERIOD_S
        if self._refused and now >= self._say_at:
            log.warning(
                "more comes than can be taken: %(requests)d requests were answered 503, rather than wait longer than %(max_wait_s)g s",
                event="overloaded",
                requests=self._refused,
                max_wait_s=self._longest_s,
            )
            self._refused, self._say_at = 0, now + _SAY_EVERY_S

    def check(self, source: str) -> None:
        """Refuse a request that would wait too long; half as long, if its source takes more than its share.

        Raises:
            Refusal: 503.
        """
        late_s = self._now() - self._due
        if late_s < self._longest_s / 2 or (late_s < self._longest_s and not self._is_greedy(source)):
            return
        self._refused += 1
        raise overloaded()

    def spend(self, source: str, events: int) -> None:
        """Take note of what came from a source."""
        self._spent[source] += events

    def _is_greedy(self, source: str) -> bool:
        spent = self._spent + self._spent_before
        return spent[source] * len(spent) > spent.total()


def overloaded() -> Refusal:
    """503: it would have to wait too long for its turn."""
    return unavailable("more comes than can be taken now")
