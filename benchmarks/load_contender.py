"""One contender of the benchmark `load`, in a process of its own: bring a spool's events into a fresh database.

In: a JSON `Task` on stdin. Out: a JSON `Loaded` on stdout. The clock runs from an open connection to a fully migrated database until the
last row is in; what it takes to open and migrate is not measured.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import msgspec

from benchmarks.processes import cpu_s
from benchmarks.spooled import segments
from stitchline_collector import migrate
from stitchline_collector.engine import Engine
from stitchline_collector.load import Loader
from stitchline_collector.load.insert import FORMAT, SETTINGS
from stitchline_collector.rows import EVENT_COLUMNS

TABLE = "events_raw"


class Task(msgspec.Struct, frozen=True):
    """What to do.

    Attributes:
        way: `loader`, or how the same bytes are inserted by hand: `raw` is one insert a segment, `raw_at_once` one for all.
        stitching: keep the materialized view that feeds the stitcher.
    """

    way: str
    dsn: str
    database: str
    spool: str
    stitching: bool = True


class Loaded(msgspec.Struct, frozen=True):
    """What it took; `cpu_s` is this process's, so the embedded ClickHouse's too."""

    rows: int
    seconds: float
    cpu_s: float


def run(task: Task) -> Loaded:
    with Engine.open(task.dsn, database=task.database) as engine:
        migrate.apply(engine)
        session = engine.session()
        if not task.stitching:
            session.command("DROP VIEW identity_evidence_feed SYNC")
        work = _drain(engine, task) if task.way == "loader" else _insert(task)
        next(work)
        began, used = time.perf_counter(), cpu_s(os.getpid())
        next(work)
        seconds, used = time.perf_counter() - began, cpu_s(os.getpid()) - used
        rows = session.query(f"SELECT count() FROM {TABLE}")[0][0]
        session.close()
    return Loaded(rows, seconds, used)


def _drain(engine: Engine, task: Task) -> Iterator[None]:
    """The product's own loader."""
    waiting = segments(Path(task.spool))
    empty = threading.Event()
    gone: list[Any] = []

    def on_gone(segment: object) -> None:
        gone.append(segment)
        if len(gone) == len(waiting):
            empty.set()

    session = engine.session()
    loader = Loader(lambda: session, on_gone)
    for segment in waiting:
        loader.submit(segment)
    yield
    loader.start()
    empty.wait()
    yield
    loader.stop(1)


def _insert(task: Task) -> Iterator[None]:
    """`raw_insert` of the files as they are, without token, checks and book-keeping."""
    client = _client(task)
    settings = {name: value for name, value in SETTINGS.items() if not name.startswith("deduplicate")}

    def insert(body: bytes) -> None:
        client.raw_insert(
            f"{task.database}.{TABLE}",
            column_names=EVENT_COLUMNS,
            insert_block=body,
            fmt=FORMAT,
            compression="zstd",
            settings=settings,
        )

    paths = [segment.path for segment in segments(Path(task.spool))]
    yield
    if task.way == "raw":
        for path in paths:
            insert(path.read_bytes())
    else:
        insert(b"".join(path.read_bytes() for path in paths))
    yield


def _client(task: Task) -> Any:
    connect: Callable[..., Any] = clickhouse_connect.get_client
    if task.dsn.startswith("chdb://"):
        return connect(interface="chdb", path=task.dsn.removeprefix("chdb://"), database=task.database)
    port = int(task.dsn.rpartition(":")[2].partition("/")[0])
    return connect(
        host="127.0.0.1",
        port=port,
        autogenerate_session_id=False,
        database=task.database,
        send_receive_timeout=1200,
    )


if __name__ == "__main__":
    print(
        msgspec.json.encode(run(msgspec.json.decode(sys.stdin.buffer.readline(), type=Task))).decode(),
        flush=True,
    )
