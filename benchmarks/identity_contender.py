"""One contender of the benchmark `identity`, in a process of its own: one folder of the embedded engine, and what it is told to do there.

In: JSON `Task`s on stdin, one a line. Out: one JSON object a line. Guaranteed: only what is named is inside the clock; making people and
events, opening the engine and loading dictionaries for the first time are not.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import identity_data, identity_queries, views_questions
from stitchline_collector import migrate
from stitchline_collector.ask.asked import Asked
from stitchline_collector.ask.people import person
from stitchline_collector.ask.views import asked
from stitchline_collector.engine import Engine, Session
from stitchline_collector.journeys import prepare
from stitchline_collector.stitch.stitcher import Stitcher

_DECISIONS = "identity_log identity_members identity_quarantine_raw identity_sessions identity_folds".split()
_DICTIONARIES = "identity_base identity_recent identity_sessions_base identity_sessions_recent".split()
_WRONG = """
SELECT count() FROM made_persons AS wanted
FULL JOIN (SELECT node, person_id FROM identity_map WHERE person_id != node) AS found ON found.node = wanted.node
WHERE wanted.node != found.node OR wanted.person_id != found.person_id
"""

_BYTES = """
SELECT sumIf(bytes_on_disk, table = 'events_raw'), sumIf(bytes_on_disk, table LIKE 'identity%')
FROM system.parts WHERE active AND database = currentDatabase()
"""


class Task(msgspec.Struct, frozen=True):
    """What to do.

    Attributes:
        what: a method of `Contender`.
        people, events, days, rounds, number: how much of it.
    """

    what: str
    folder: str
    people: int = 0
    events: int = 0
    days: int = identity_data.DAYS
    rounds: int = 1
    number: int = 0


class Contender:
    """Does what it is told in one folder, and tells what it took."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._session: Session = engine.session()
        self._stitcher: Stitcher | None = None

    def make(self, task: Task) -> dict[str, Any]:
        """Make the evidence of so many people."""
        identity_data.make_evidence(self._session, task.people)
        return {
            "edges": self._one("SELECT intDiv(count(), 2) FROM identity_edges"),
            "identifiers": self._one("SELECT count() FROM identity_nodes"),
        }

    def rebuild(self, _: Task) -> dict[str, Any]:
        """Decide everybody from nothing but the evidence."""
        for table in _DECISIONS:
            self._session.command(f"TRUNCATE TABLE {table}")
        self._load_dictionaries()
        stitcher = Stitcher(self._engine)
        began = time.perf_counter()
        changed = stitcher.rebuild()
        seconds = time.perf_counter() - began
        stitcher.close()
        return {
            "seconds": seconds,
            "peak_mb": _peak_mb(),
            "changed": changed,
            "wrong": self._one(_WRONG),
            "refused": self._one("SELECT count() FROM identity_quarantine_raw FINAL WHERE rule != ''"),
        }

    def scipy(self, _: Task) -> dict[str, Any]:
        """Fetch the edges, number their ends, and find the components."""
        import numpy as np
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        client = self._session._client  # noqa: SLF001 (only here is an answer wanted as Arrow)
        began = time.perf_counter()
        table = client.query_arrow("SELECT node, neighbour FROM identity_edges WHERE node < neighbour")
        ends = [table.column(place).to_numpy() for place in range(2)]
        fetched = time.perf_counter()
        nodes, numbers = np.unique(np.concatenate(ends), return_inverse=True)
        numbered = time.perf_counter()
        count = len(ends[0])
        matrix = coo_matrix(
            (np.ones(count, np.int8), (numbers[:count], numbers[count:])), (len(nodes), len(nodes))
        )
        components, _labels = connected_components(matrix, directed=False)
        done = time.perf_counter()
        return {
            "seconds": done - began,
            "fetch_s": fetched - began,
            "number_s": numbered - fetched,
            "components_s": done - numbered,
            "components": int(components),
            "peak_mb": _peak_mb(),
        }

    def increment(self, task: Task) -> dict[str, Any]:
        """Stitch new edges that wait in the inbox; number 0 makes ready and measures nothing."""
        if self._stitcher is None:
            self._stitcher = Stitcher(self._engine)
            self._stitcher.round()
        stitcher, edges = self._stitcher, self._stitcher.progress.new_edges
        changed = stitcher.progress.persons_changed
        identity_data.make_sightings(self._session, task.people, task.number, task.events)
        began = time.perf_counter()
        while stitcher.round():
            pass
        return {
            "seconds": time.perf_counter() - began,
            "edges": stitcher.progress.new_edges - edges,
            "changed": stitcher.progress.persons_changed - changed,
        }

    def make_events(self, task: Task) -> dict[str, Any]:
        """Make events of people who are known, and decide whose the sessions on shared devices are."""
        identity_data.make_events(self._session, task.people, task.events, task.days)
        stitcher = Stitcher(self._engine)
        stitcher.rebuild()
        stitcher.close()
        return {
            "events": self._one("SELECT count() FROM events_raw"),
            "sessions": self._one("SELECT count() FROM identity_sessions"),
        }

    def funnels(self, task: Task) -> dict[str, Any]:
        """Ask the same question in several ways, in turn; milliseconds by way."""
        self._load_dictionaries()
        found: dict[str, list[float]] = {name: [] for name in identity_queries.FUNNELS}
        for _ in range(task.rounds + 1):
            for name, query in identity_queries.FUNNELS.items():
                found[name].append(_milliseconds(partial(self._session.query, query)))
        return {name: times[1:] for name, times in found.items()}  # the first warms up

    def look_ups(self, task: Task) -> dict[str, Any]:
        """Ask for random people, as `GET /v1/people/user/...` does."""
        self._load_dictionaries()
        rows = self._session.query(identity_queries.SOMEBODY, {"people": task.number})
        reader = self._engine.reader()
        users = [Asked("user", user, f"user:{user}") for (user,) in rows]
        times = [_milliseconds(partial(person, reader, user, 20)) for user in users]
        reader.close()
        return {"ms": times}

    def views(self, task: Task) -> dict[str, Any]:
        """Ask every question of the analysts, and the yardstick, in turn; seconds and processor time by question."""
        prepare(self._engine, views_questions.JOURNEY)
        self._load_dictionaries()
        asked_all = {name: asked(*question) for name, question in views_questions.QUESTIONS.items()}
        asked_all = {views_questions.LIMIT: (views_questions.LIMIT_SQL, {}), **asked_all}
        seconds: dict[str, list[float]] = {name: [] for name in asked_all}
        cpu_s: dict[str, list[float]] = {name: [] for name in asked_all}
        for _ in range(task.rounds + 1):
            for name, question in asked_all.items():
                spent = time.process_time()
                seconds[name].append(_milliseconds(partial(self._session.query, *question)) / 1000)
                cpu_s[name].append(time.process_time() - spent)
        # The first warms up.
        return {
            "seconds": {name: times[1:] for name, times in seconds.items()},
            "cpu_s": {name: times[1:] for name, times in cpu_s.items()},
            "peak_mb": _peak_mb(),
        }

    def sizes(self, _: Task) -> dict[str, Any]:
        """What is stored, as merges leave it: bytes of the events, and of identity."""
        for (table,) in self._session.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        ):
            self._session.command(f"OPTIMIZE TABLE {table} FINAL")
        [(events, identity)] = self._session.query(_BYTES)
        return {"events_bytes": events, "identity_bytes": identity}

    def close(self) -> None:
        """Close what is open."""
        if self._stitcher is not None:
            self._stitcher.close()
        self._session.close()

    def _load_dictionaries(self) -> None:
        for name in _DICTIONARIES:
            self._session.command(f"SYSTEM RELOAD DICTIONARY {self._session.database}.{name}")

    def _one(self, sql: str) -> Any:
        return self._session.query(sql)[0][0]


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    contender: Contender | None = None
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        if contender is None:
            engine = Engine.open(f"chdb://{Path(task.folder)}", database="bench")
            migrate.apply(engine)
            prepare(engine)
            contender = Contender(engine)
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)  # as `stitchline serve` does
        answer = getattr(contender, task.what)(task)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()
    if contender is not None:
        contender.close()


if __name__ == "__main__":
    main()
