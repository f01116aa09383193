"""A process that offers load: prepared requests over keep-alive connections, as little work a request as Python allows.

In: a `Plan` as JSON on stdin. Out: one JSON line on stdout when ready and one for each slice of the plan. Guaranteed: a request counts
only when its reply is 200 and says that all its events were accepted; no event id is sent twice, except in gzip, where
the prepared bodies repeat.

The plan names several servers and slices of a second or so that alternate between them: this machine's speed changes within seconds, so
contenders are compared in neighbouring slices.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import cast

import msgspec
import uvloop

from benchmarks.events import Traffic, moment, now
from benchmarks.plan import Part, Plan, Slice
from benchmarks.processes import cpu_s

ANSWER_WITHIN_S = 30
WARM_S = 0.3  # at the beginning of a slice, not counted
_SPREAD = 2_654_435_761  # odd, so that different numbers stay different
_ID_DIGITS = 8  # the last digits of an event id, rewritten each time the prepared request is sent


class Request:
    """One prepared request."""

    def __init__(self, traffic: Traffic, batch_events: int, key: str, *, compressed: bool) -> None:
        (batch,) = traffic.batches(1, batch_events)
        body = msgspec.json.encode(batch)
        ids = [event["event_id"].encode() for event in batch["events"]]
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {key}\r\nUser-Agent: {traffic.user_agent()}\r\n"
            f"X-Forwarded-For: {traffic.address()}\r\nContent-Type: application/json\r\n"
        )
        if compressed:
            body = gzip.compress(body, 6)
            head += "Content-Encoding: gzip\r\n"
        self.bytes = bytearray(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self._sent = False
        self._ids = [] if compressed else list(self._ends(ids))
        self._sent_at = 0 if compressed else self.bytes.index(b'"sent_at":"') + len(b'"sent_at":"')

    def renew(self, number: int, sent_at: bytes) -> bytearray:
        """Make its event ids new and the time of sending now."""
        if self._sent:  # the first time they are new, and as random as they will be
            digits = b"%08x" % (number * _SPREAD & 0xFFFFFFFF)
            for end in self._ids:
                self.bytes[end - _ID_DIGITS : end] = digits
        self._sent = True
        if self._sent_at:
            self.bytes[self._sent_at : self._sent_at + len(sent_at)] = sent_at
        return self.bytes

    def _ends(self, ids: list[bytes]) -> Iterator[int]:
        at = 0
        for event_id in ids:
            at = self.bytes.index(event_id, at) + len(event_id)
            yield at


class Counts:
    """What is counted in the current slice."""

    def __init__(self) -> None:
        self.failed = 0
        self.times: list[float] = []


class Connection(asyncio.Protocol):
    """One keep-alive connection with its own prepared requests: no other one has them in flight."""

    def __init__(self, offer: Offer, requests: list[Request], expected: bytes) -> None:
        self._offer = offer
        self._requests = requests
        self._expected = expected
        self._next = 0
        self._received = b""
        self._began = 0.0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one, but does not say so

    def connection_lost(self, exc: Exception | None) -> None:
        """End the run: keep-alive was promised."""
        if not self._offer.over:
            sys.exit(f"the server closed a connection: {exc}")

    def send(self) -> None:
        """Send the next of its requests."""
        offer = self._offer
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        offer.number += 1
        offer.in_flight += 1
        self._began = time.perf_counter()
        self._transport.write(request.renew(offer.number, offer.sent_at))

    def data_received(self, data: bytes) -> None:
        """Take a reply, or a part of one."""
        received = self._received + data if self._received else data
        if not received.endswith(self._expected):
            if not _is_whole(received):
                self._received = received
                return
            is_good = False
        else:
            is_good = received.startswith(b"HTTP/1.1 200")
        self._received = b""
        if is_good:
            self._offer.accepted(time.perf_counter() - self._began)
        else:
            self._offer.failed(received)
        self._offer.answered(self)


class Offer:
    """The load offered to one server at a time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.over = False
        self.number = 0
        self.in_flight = 0
        self.sent_at = b""
        self._counts = Counts()
        self._running = False
        self._rate = 0.0
        self._unsent = 0
        self._all_answered = asyncio.Event()
        self._idle: deque[Connection] = deque()
        self._connections: dict[str, list[Connection]] = {}
        self._first_failure = b""

    async def run(self) -> None:
        """Do what the plan says."""
        await self._connect()
        clock = asyncio.create_task(self._keep_time())
        print(flush=True)
        for part in self._plan.parts:
            result = await self._slice(part)
            print(msgspec.json.encode(result).decode(), flush=True)
        self.over = True
        clock.cancel()
        if self._first_failure:
            print(f"first failed reply: {self._first_failure!r}", file=sys.stderr)

    def failed(self, reply: bytes) -> None:
        """Count a reply that is not the one wanted."""
        self._counts.failed += 1
        self._first_failure = self._first_failure or reply[:500]

    def accepted(self, seconds: float) -> None:
        """Count a reply that is the one wanted."""
        self._counts.times.append(seconds)

    def answered(self, connection: Connection) -> None:
        """Go on."""
        self.in_flight -= 1
        if not self._running:
            return
        if self._rate:
            self._idle.append(connection)
        elif self._unsent:
            self._send(connection)
        elif not self.in_flight:
            self._all_answered.set()

    def _send(self, connection: Connection) -> None:
        self._unsent -= 1
        connection.send()

    async def _connect(self) -> None:
        plan = self._plan
        loop = asyncio.get_running_loop()
        traffic = Traffic(plan.seed, plan.people)
        count = max(plan.prepared_events // plan.batch_events, plan.connections)
        prepared = [
            Request(traffic, plan.batch_events, plan.key, compressed=plan.compressed) for _ in range(count)
        ]
        for server in plan.servers:
            expected = b'{"accepted":%d,"rejected":[]}' % plan.batch_events if server.accepts else b"{}"
            self._connections[server.name] = []
            for index in range(plan.connections):
                connect = partial(Connection, self, prepared[index :: plan.connections], expected)
                _, connection = await loop.create_connection(connect, "127.0.0.1", server.port)
                self._connections[server.name].append(connection)

    async def _slice(self, part: Part) -> Slice:
        connections = self._connections[part.server]
        (pid,) = (server.pid for server in self._plan.servers if server.name == part.server)
        self._running, self._rate = True, part.rate
        self._all_answered.clear()
        self._unsent = part.events // self._plan.batch_events if part.events else sys.maxsize
        self._idle = deque(connections)
        pacing = asyncio.create_task(self._pace(part.rate))
        if not part.events:
            await asyncio.sleep(WARM_S)
        self._counts = counts = Counts()
        began, own, theirs = time.perf_counter(), cpu_s(os.getpid()), cpu_s(pid)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_answered.wait(), part.seconds)
        self._counts = Counts()  # what is answered from here on belongs to no slice
        seconds = time.perf_counter() - began
        own, theirs = cpu_s(os.getpid()) - own, cpu_s(pid) - theirs
        self._running = False
        pacing.cancel()
        await self._drain()
        p50, p99 = _percentiles(counts.times)
        good = len(counts.times)
        return Slice(
            part.server,
            seconds,
            good,
            good * self._plan.batch_events,
            counts.failed,
            p50,
            p99,
            own / seconds,
            theirs,
        )

    async def _drain(self) -> None:
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while self.in_flight:
            if time.monotonic() > deadline:
                sys.exit(f"{self.in_flight} requests were not answered within {ANSWER_WITHIN_S} s")
            await asyncio.sleep(0.005)

    async def _pace(self, rate: float) -> None:
        if not rate:
            while self._idle and self._unsent:
                self._send(self._idle.popleft())
            return
        began, sent = time.perf_counter(), 0
        while True:
            due = int((time.perf_counter() - began) * rate / self._plan.batch_events)
            while sent < due and self._idle:
                self._idle.popleft().send()
                sent += 1
            await asyncio.sleep(0.002)

    async def _keep_time(self) -> None:
        while True:
            self.sent_at = moment(now()).encode()
            await asyncio.sleep(0.01)


def _is_whole(reply: bytes) -> bool:
    head, found, body = reply.partition(b"\r\n\r\n")
    _, _, length = head.lower().partition(b"content-length:")
    return bool(found) and len(body) >= int(length.partition(b"\r\n")[0] or b"0")


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    if len(seconds) < 100:
        return (round(statistics.median(seconds) * 1000, 3), 0.0) if seconds else (0.0, 0.0)
    cuts = statistics.quantiles(seconds, n=100)
    return round(cuts[49] * 1000, 3), round(cuts[98] * 1000, 3)


if __name__ == "__main__":
    uvloop.run(Offer(msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)).run())
