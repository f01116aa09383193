"""What a load generator is asked to do, and what it answers: JSON between two processes."""

from __future__ import annotations

import msgspec


class Server(msgspec.Struct, frozen=True):
    """A server to send to.

    Attributes:
        name: as the result names it.
        port: on 127.0.0.1.
        accepts: True when its reply says how many events it took.
        pid: whose CPU time is noted.
    """

    name: str
    port: int
    accepts: bool
    pid: int


class Part(msgspec.Struct, frozen=True):
    """One slice: who is sent to, for how long; 0 events a second is as fast as it answers.

    Attributes:
        server: its name.
        seconds: how long; a slice with `events` ends when they are acknowledged.
        rate: events a second, 0 without limit.
        events: how many, 0 without limit.
    """

    server: str
    seconds: float
    rate: float = 0
    events: int = 0


class Plan(msgspec.Struct, frozen=True):
    """What one load generator does."""

    servers: list[Server]
    parts: list[Part]
    connections: int
    batch_events: int
    prepared_events: int
    compressed: bool = False
    seed: int = 1
    people: int = 50_000
    key: str = "bench-write-key"


class Slice(msgspec.Struct, frozen=True):
    """What a slice saw; times are those of accepted requests, CPU is that of all threads of a process, as a share of one core."""

    server: str
    seconds: float
    requests: int
    events: int
    failed: int
    p50_ms: float
    p99_ms: float
    generator_cpu: float
    server_cpu_s: float
