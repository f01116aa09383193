"""One SDK in a process of its own: what a call costs its caller, and what an event costs until it is delivered.

In: a JSON `Task` on stdin. Out: a JSON `Cost` on stdout. Each SDK runs as it comes (its own batch size, queue and compression); what is
changed stands in its adapter. All send the same: an event's name, nine properties, a user, a page.
"""

from __future__ import annotations

import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

CHUNK_EVENTS = 5_000  # sent between two flushes: half of the smallest queue, so nobody drops
BURST_CALLS, BURST_PAUSE_S = 20, 0.01  # about 2,000 calls a second: a busy web server
IDLE_S = 1.0

PROPERTIES = {
    "price": 79.9,
    "currency": "EUR",
    "sku": "SKU-4211",
    "category": "shoes/running",
    "position": 4,
    "list": "search results",
    "in_stock": True,
    "colour": "blue",
    "sizes": [41, 42, 43],
}
PAGE = {
    "url": "https://shop.example/products/shoes/running/42?utm_source=google&utm_medium=cpc",
    "title": "Running shoe 42",
    "referrer": "https://www.google.example/search",
}


class Task(msgspec.Struct, frozen=True):
    """What to measure: `timed_calls` calls one by one, then `delivered_events` as fast as they are delivered."""

    sdk: str
    port: int
    timed_calls: int
    delivered_events: int


class Cost(msgspec.Struct):
    """What it cost; `received` is filled in by whoever asked the sink."""

    sdk: str
    import_ms: float
    p50_us: float
    p99_us: float
    cpu_us: float
    delivered_per_s: float
    sent: int
    received: int = 0


class Sdk(NamedTuple):
    """How to use one: a call for the user of that number, and waiting until all is delivered."""

    track: Callable[[int], object]
    flush: Callable[[], object]


def stitchline(port: int) -> Sdk:
    import stitchline

    state_dir = tempfile.mkdtemp(prefix="stitchline-bench-")
    client = stitchline.Client(
        f"http://127.0.0.1:{port}", "bench-write-key", channel="web", state_dir=state_dir
    )

    def track(number: int) -> object:
        return client.track("product_viewed", PROPERTIES, user=f"u{number}", page=PAGE, stage="consideration")

    return Sdk(track, lambda: client.flush(60))


def stitchline_scope(port: int) -> Sdk:
    """As its middleware does: who and where are said once a web request, here of twenty events; making the scope is timed too."""
    import stitchline

    state_dir = tempfile.mkdtemp(prefix="stitchline-bench-")
    client = stitchline.Client(
        f"http://127.0.0.1:{port}", "bench-write-key", channel="web", state_dir=state_dir
    )
    scopes: list[stitchline.Scope] = []

    def track(number: int) -> object:
        if number % BURST_CALLS == 0:
            scopes[:] = [client.scope(user=f"u{number}", page=PAGE)]
        return scopes[0].track("product_viewed", PROPERTIES, stage="consideration")

    return Sdk(track, lambda: client.flush(60))


def segment(port: int) -> Sdk:
    from segment.analytics.client import Client

    client = Client("bench-write-key", host=f"http://127.0.0.1:{port}")

    def track(number: int) -> object:
        properties = {**PROPERTIES, "stage": "consideration"}
        return client.track(f"u{number}", "product_viewed", properties, context={"page": PAGE})

    return Sdk(track, client.flush)


def posthog(port: int) -> Sdk:
    from posthog import Posthog

    client = Posthog("bench-write-key", host=f"http://127.0.0.1:{port}")

    def track(number: int) -> object:
        properties = {**PROPERTIES, "stage": "consideration", "page": PAGE}
        return client.capture("product_viewed", distinct_id=f"u{number}", properties=properties)

    return Sdk(track, lambda: client.flush(None))


def snowplow(port: int, **options: Any) -> Sdk:
    from snowplow_tracker.emitters import AsyncEmitter
    from snowplow_tracker.events.self_describing import SelfDescribing
    from snowplow_tracker.self_describing_json import SelfDescribingJson
    from snowplow_tracker.subject import Subject
    from snowplow_tracker.tracker import Tracker

    emitter = AsyncEmitter("127.0.0.1", protocol="http", port=port, **options)
    tracker = Tracker("bench", [emitter], encode_base64=False)

    def track(number: int) -> object:
        subject = Subject()
        subject.set_user_id(f"u{number}")
        data = {**PROPERTIES, "stage": "consideration", "page": PAGE}
        event = SelfDescribingJson("iglu:example.shop/product_viewed/jsonschema/1-0-0", data)
        return tracker.track(SelfDescribing(event, event_subject=subject))

    return Sdk(track, emitter.sync_flush)


def snowplow_tuned(port: int) -> Sdk:
    """As someone who has read its code would set it up: otherwise it logs and opens a connection for every 10 events."""
    import requests

    logging.getLogger("snowplow_tracker").setLevel(logging.WARNING)
    logging.getLogger("snowplow_tracker.emitters").setLevel(logging.WARNING)
    return snowplow(port, batch_size=100, session=requests.Session())


SDKS: dict[str, Callable[[int], Sdk]] = {
    "stitchline": stitchline,
    "stitchline, scope": stitchline_scope,
    "segment": segment,
    "snowplow": snowplow,
    "snowplow, tuned": snowplow_tuned,
    "posthog": posthog,
}
IMPORTED = {
    "stitchline, scope": "stitchline",
    "segment": "segment.analytics",
    "snowplow": "snowplow_tracker",
    "snowplow, tuned": "snowplow_tracker",
}


def measure(task: Task) -> Cost:
    import_ms = _import_ms(IMPORTED.get(task.sdk, task.sdk))
    sdk = SDKS[task.sdk](task.port)
    for number in range(200):
        sdk.track(number)
    sdk.flush()
    times = _timed(sdk, task.timed_calls)
    sdk.flush()
    idle = _idle_share()
    seconds, cpu_s = _delivered(sdk, task.delivered_events)
    cpu_us = (cpu_s - idle * seconds) / task.delivered_events * 1e6
    p50, p99 = times[len(times) // 2] / 1e3, times[len(times) * 99 // 100] / 1e3
    sent = 200 + task.timed_calls + task.delivered_events
    return Cost(task.sdk, import_ms, p50, p99, cpu_us, task.delivered_events / seconds, sent)


def _import_ms(module: str) -> float:
    """Milliseconds that an import adds to a bare interpreter's start: this process has half of it loaded already."""

    def run(code: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
        )
        return time.perf_counter() - began

    run(f"import {module}")  # writes the bytecode that an installed package has
    return statistics.median(run(f"import {module}") - run("pass") for _ in range(5)) * 1e3


def _timed(sdk: Sdk, calls: int) -> list[int]:
    """Nanoseconds of each call, sorted."""
    times = []
    for number in range(calls):
        if number % BURST_CALLS == 0:
            time.sleep(BURST_PAUSE_S)
        began = time.perf_counter_ns()
        sdk.track(number)
        times.append(time.perf_counter_ns() - began)
    return sorted(times)


def _idle_share() -> float:
    """The share of a core that it uses while it has nothing to do."""
    used = _cpu_s()
    time.sleep(IDLE_S)
    return (_cpu_s() - used) / IDLE_S


def _delivered(sdk: Sdk, events: int) -> tuple[float, float]:
    began, used = time.perf_counter(), _cpu_s()
    for first in range(0, events, CHUNK_EVENTS):
        for number in range(first, min(first + CHUNK_EVENTS, events)):
            sdk.track(number)
        sdk.flush()
    return time.perf_counter() - began, _cpu_s() - used


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    answer = measure(msgspec.json.decode(sys.stdin.buffer.readline(), type=Task))
    print(msgspec.json.encode(answer).decode(), flush=True)
    os._exit(0)  # threads that poll for flags and the like must not delay the next contender
