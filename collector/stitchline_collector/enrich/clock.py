"""Correct the device's clock, but only by what the network's delay cannot explain.

`received - sent` is the clock's offset plus the delay, and the delay is never negative. So a negative value proves a clock
that runs ahead; a positive one proves a clock that runs behind only where no delay is that long. The smallest of a
sender's last values is the best estimate: one stalled connection must not move an event by its stall.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict, deque

from ..rows import Clock, Row
from .arrival import Arrival

AHEAD_MS = 1_000  # a clock kept by NTP is closer than this
LONGEST_DELAY_MS = 60_000  # a request takes no longer: clients and the collector give up before
USUAL_DELAY_MS = 5_000  # of several requests, one is faster than this
SAMPLES_FOR_USUAL = 4
KEPT_SAMPLES = 16
KEPT_SENDERS = 100_000

_MILLISECOND = dt.timedelta(milliseconds=1)


class Clocks:
    """What is known of the clocks of recent senders; a step."""

    def __init__(self) -> None:
        self._senders: OrderedDict[str, deque[int]] = OrderedDict()

    def __call__(self, arrival: Arrival, rows: list[Row]) -> None:
        """Set `occurred_at` from the device's time, and `arrival.clock` to what was added."""
        received = arrival.received_at
        if arrival.sent_at is not None:
            arrival.clock = self._estimate(arrival.sender, (received - arrival.sent_at) // _MILLISECOND)
            if arrival.clock.offset_ms:
                offset = arrival.clock.offset_ms * _MILLISECOND
                for row in rows:
                    row.occurred_at = row.device_time + offset
        for row in rows:
            if row.occurred_at > received:  # noqa: PLR1730 -- min() is a call for every event
                row.occurred_at = received  # nothing arrives before it happens

    def _estimate(self, sender: str, sample: int) -> Clock:
        samples = self._samples(sender)
        if samples and abs(sample - min(samples)) > LONGEST_DELAY_MS:
            samples.clear()  # no delay explains such a step: the clock was set
        samples.append(sample)
        smallest, count = min(samples), len(samples)
        longest = USUAL_DELAY_MS if count >= SAMPLES_FOR_USUAL else LONGEST_DELAY_MS
        explained = -AHEAD_MS <= smallest <= longest
        return Clock(0 if explained else smallest, round(count / (count + 1), 2))

    def _samples(self, sender: str) -> deque[int]:
        """The last samples of a sender; one that cannot be told apart from others has none."""
        if not sender:
            return deque(maxlen=1)
        samples = self._senders.get(sender)
        if samples is None:
            samples = self._senders[sender] = deque(maxlen=KEPT_SAMPLES)
            if len(self._senders) > KEPT_SENDERS:
                self._senders.popitem(last=False)
        else:
            self._senders.move_to_end(sender)
        return samples
