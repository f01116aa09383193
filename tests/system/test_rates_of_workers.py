"""A key's and an address's rate with several workers, whichever of them a connection meets."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from stitchline_collector.spool.folder import LOCK
from stitchline_collector.workers.counts import Counts
from tests.processes import KEY, CollectorProcess, processes
from tests.system.senders import HEADERS, batch, event
from tests.system.test_workers import wait_for

RATE, BURST = 200, 2000
KEYS = json.dumps([{"key": "write-key", "max_events_per_s": RATE}, {"key": KEY, "kind": "admin"}])
LIMITS = {
    "key": {"STITCHLINE_KEYS": KEYS},
    "address": {"STITCHLINE_MAX_EVENTS_PER_S_PER_ADDRESS": str(RATE)},
}
BATCHES = (
    1,
    2,
    5,
    10,
    20,
    40,
) * 3  # events a request, of each connection: some send forty times as much as others
REFUSED = 300  # requests, before it ends


class Hasty(threading.Thread):
    """A connection that sends without a pause, whatever it is told, once all of them were answered: a worker may still be starting."""

    def __init__(
        self, port: int, events: int, all_answered: threading.Barrier, done: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self._port, self._events, self._all_answered, self._done = port, events, all_answered, done
        self.accepted = 0
        self.refused_at: list[float] = []
        self.first_answer_at = 0.0

    def run(self) -> None:
        headers = {**HEADERS, "Authorization": "Bearer write-key"}
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            while not self._done.is_set():
                sent_at = time.monotonic()
                connection.request("POST", "/v1/events", batch(*[event()] * self._events), headers)
                answer = connection.getresponse()
                answer.read()
                if not self.first_answer_at:
                    self.first_answer_at = time.monotonic()
                    self._all_answered.wait(60)
                if answer.status == 200:
                    self.accepted += self._events
                elif answer.status == 429:
                    self.refused_at.append(sent_at)


@pytest.mark.parametrize("limit", LIMITS)
def test_three_workers_take_what_one_would(collector: Callable[..., CollectorProcess], limit: str) -> None:
    several = collector("--workers", "3", env=LIMITS[limit])
    done = threading.Event()
    all_answered = threading.Barrier(len(BATCHES))
    crowd = [Hasty(several.port, events, all_answered, done) for events in BATCHES]
    began = time.monotonic()
    for one in crowd:
        one.start()
    wait_for(lambda: sum(len(one.refused_at) for one in crowd) > REFUSED, "more comes than may")
    done.set()
    for one in crowd:
        one.join(60)
    took_s = time.monotonic() - began

    accepted = sum(one.accepted for one in crowd)
    at_workers = [Counts.of(lock.parent).accepted for lock in (several.data / "spool").glob(f"*/{LOCK}")]
    print(accepted, "of at most", BURST + RATE * took_s, "by", at_workers)
    assert sorted(count > 0 for count in at_workers)[-2:] == [True, True], "one worker got everything"
    # The tolerance that docs/configuration.md states: what is let in at one moment.
    assert accepted <= BURST + RATE * took_s + sum(BATCHES)
    # Whoever was refused, was refused because as much as that had been taken.
    last_refused_at = max(max(one.refused_at, default=0) for one in crowd)
    refused_after_s = last_refused_at - min(one.first_answer_at for one in crowd)
    assert accepted >= BURST + RATE * (refused_after_s - 1)


def test_who_is_over_the_rate_is_so_at_every_worker_and_after_all_of_them_were_killed(
    collector: Callable[..., CollectorProcess],
) -> None:
    keys = [{"key": "write-key", "max_events_per_s": 1}, {"key": KEY, "kind": "admin"}]
    several = collector("--workers", "3", env={"STITCHLINE_KEYS": json.dumps(keys)})

    def status(*events: dict[str, object]) -> int:
        headers = {"Authorization": "Bearer write-key"}
        return several.request("POST", "/v1/events", batch(*events), headers)[0]  # on a connection of its own

    assert status(*[event()] * 1000) == 200  # a quarter of an hour's worth
    assert {status(event()) for _ in range(20)} == {429}
    before = processes(several)
    for name in ("worker 1", "worker 2", "worker 3"):
        os.kill(before[name], signal.SIGKILL)
    wait_for(
        lambda: (
            not {*before.values()} & {pid for name, pid in processes(several).items() if name != "loader"}
        ),
        "all workers are started again",
    )
    assert {status(event()) for _ in range(20)} == {429}
