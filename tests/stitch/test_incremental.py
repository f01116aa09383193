"""However the events come, in whatever batches, orders and repetitions, and whatever dies in between: the same persons."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from stitchline_collector.engine import EngineUnavailable
from stitchline_collector.stitch import IdentityRules, Stitcher
from tests.stitch.stories import event, load, state
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

State = dict[str, list[tuple[Any, ...]]]
AtOnce = Callable[[list[dict[str, Any]]], State]


def story(luck: random.Random, events: int = 40, town: int = 0) -> list[dict[str, Any]]:
    """A small town in which everything happens: shared devices, kiosks, forwarded links, merges, unlinks, late events."""

    def one_of(names: str) -> str:
        return f"{luck.choice(names)}{town}"

    happened = []
    for _ in range(events):
        told: dict[str, Any] = {}
        if luck.random() < 0.4:
            told["user"] = one_of("ABCD")
        if luck.random() < 0.4:
            told["email"] = one_of("efghijkl")
        if luck.random() < 0.2:
            told["anonymous"] = one_of("xyz")
        if luck.random() < 0.1:
            told["loyalty"] = luck.choice([one_of("mn"), "null", "blocked"])
        device = luck.choice(["", *(one_of("PQRSK") for _ in range(5))])
        kind = luck.choice(["track", "track", "track", "identify", "link", "logout", "unlink"])
        linked = {}
        if kind in ("link", "unlink"):
            linked = {luck.choice(["device", "email", "user"]): one_of("PQefAB")}
        happened.append(
            event(
                luck.randrange(200),
                device,
                type=kind,
                name=luck.choice(["relink", "unlink"]),
                linked=linked,
                # Only some events know that K is a kiosk.
                device_type="kiosk" if device.startswith("K") and luck.random() < 0.3 else "phone",
                session=one_of("123") if luck.random() < 0.8 else "",
                by_server=luck.random() < 0.1,
                **told,
            )
        )
    return happened


STATEMENTS = 80  # tried as the one a round dies at
RULES = IdentityRules(limits={"device": 2}, hub_contact_neighbours=5, blocked=("loyalty:blocked",))


@pytest.fixture
def at_once(engine: Engine) -> Any:
    """What a story becomes in one load and one round, told apart from the test's own database by being read first."""

    def told(events: list[dict[str, Any]]) -> dict[str, Any]:
        load(engine, events)
        stitch(engine, RULES)
        found = state(engine)
        session = engine.session()
        names = (
            "events_raw identity_inbox identity_edges identity_nodes identity_log identity_members "
            "identity_quarantine_raw identity_folds identity_unlinks identity_claims identity_sessions identity_rules"
        )
        for table in names.split():
            session.command(f"TRUNCATE TABLE {table}")
        session.close()
        return found

    return told


@pytest.mark.parametrize("seed", range(2))
def test_a_rebuild_gives_what_the_rounds_gave_to_the_row(engine: Engine, seed: int) -> None:
    luck = random.Random(seed)
    stitcher = Stitcher(engine, RULES, max_rows=7)
    for town in range(4):
        load(engine, story(luck, 60, town))
        while stitcher.round():
            pass
    expected = state(engine)
    assert stitcher.rebuild() == 0, "the rounds had decided otherwise"
    assert_same(state(engine), expected)
    stitcher.close()
    session = engine.session()
    for (
        table
    ) in "identity_log identity_members identity_quarantine_raw identity_folds identity_sessions".split():
        session.command(f"TRUNCATE TABLE {table}")
    session.close()
    anew = Stitcher(engine, RULES)
    anew.rebuild()
    anew.close()
    assert_same(state(engine), expected)


@pytest.mark.parametrize("seed", range(2))
def test_any_order_and_batches_give_what_one_batch_gives(engine: Engine, at_once: AtOnce, seed: int) -> None:
    luck = random.Random(seed)
    events = story(luck)
    expected = at_once(events)
    again = events + luck.sample(events, 10)
    luck.shuffle(again)
    stitcher = Stitcher(engine, RULES, max_rows=luck.choice([1, 3, 1000]), fold_rows=luck.choice([1, 1000]))
    while again:
        cut = luck.randint(1, 20)
        load(engine, again[:cut])
        again = again[cut:]
        if luck.random() < 0.7:
            stitcher.round()
    while stitcher.round():
        pass
    stitcher.close()
    assert_same(state(engine), expected)


class Crash(Exception):
    """Stands for the end of the process."""


class FragileSession:
    """A real session that dies at its nth statement: before it reached ClickHouse, or after it took effect."""

    def __init__(self, session: Any, dies_at: int, *, after: bool) -> None:
        self._session = session
        self._left = dies_at
        self._after = after
        self.database = session.database

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._session, name)

        def fragile(*args: Any, **kwargs: Any) -> Any:
            if name == "close":
                return method()
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Crash
            answer = method(*args, **kwargs)
            if self._left == 0:
                raise Crash
            return answer

        return fragile


class FragileEngine:
    """An engine whose session dies."""

    def __init__(self, engine: Engine, dies_at: int, *, after: bool) -> None:
        self._engine, self._dies_at, self._after = engine, dies_at, after
        self.embedded = True  # the dead process would hold its lease for seconds; test_lease.py is about that

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def session(self, **which: Any) -> Any:
        return FragileSession(self._engine.session(**which), self._dies_at, after=self._after)


def test_a_crash_at_any_statement_changes_nothing_about_the_end(engine: Engine, at_once: AtOnce) -> None:
    luck = random.Random(7)
    # A town of its own for each crash: what a crash breaks, no later evidence may mend.
    towns = [(story(luck, 15, town), story(luck, 15, town)) for town in range(STATEMENTS)]
    expected = at_once([happened for first, second in towns for happened in first + second])
    load(engine, [happened for first, _ in towns for happened in first])
    stitch(engine, RULES)
    outcomes = []
    for dies_at, (_, second) in enumerate(towns, start=1):
        load(engine, second)
        fragile = Stitcher(
            cast("Engine", FragileEngine(engine, dies_at, after=dies_at % 2 == 0)), RULES, fold_rows=1
        )
        outcomes.append(_dies(fragile))
        fragile.close()
    stitch(engine, RULES)
    assert_same(state(engine), expected)
    assert outcomes.index(False) > 15, "rounds have become shorter than this test believes"
    assert not outcomes[-1], "a round has more statements than this test tries"


def test_a_rebuild_that_dies_anywhere_is_made_good_by_the_next(engine: Engine) -> None:
    luck = random.Random(9)
    load(engine, [happened for town in range(8) for happened in story(luck, 30, town)])
    stitch(engine, RULES)
    expected = state(engine)
    session = engine.session()
    for dies_at in range(8, 100, 9):
        # As if everything had been decided by another rule.
        session.command(
            "INSERT INTO identity_log SELECT node, now64(6), 0, 0 FROM identity_nodes WHERE node % 3 = 0"
        )
        dying = Stitcher(cast("Engine", FragileEngine(engine, dies_at, after=dies_at % 2 == 0)), RULES)
        with contextlib.suppress(Crash):
            dying.rebuild()
        dying.close()
        whole = Stitcher(engine, RULES)
        whole.rebuild()
        whole.close()
        assert_same(state(engine), expected)
    session.close()


def test_a_rebuild_that_dies_while_it_writes_is_begun_again_by_the_next_round(engine: Engine) -> None:
    load(engine, [happened for town in range(4) for happened in story(random.Random(21), 30, town)])
    stitch(engine, RULES)
    expected = state(engine)
    session = engine.session()
    session.command(
        "INSERT INTO identity_log SELECT node, now64(6), 0, 0 FROM identity_nodes WHERE node % 3 = 0"
    )
    session.close()
    dying = Stitcher(cast("Engine", DyingEngine(engine, "INSERT INTO identity_log")), RULES)
    with pytest.raises(Crash):
        dying.rebuild()
    stitch(engine, RULES)
    assert_same(state(engine), expected)


class DyingEngine:
    """An engine whose session dies at the first statement of a kind."""

    def __init__(self, engine: Engine, statement: str) -> None:
        self._engine, self._statement = engine, statement
        self.embedded = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def session(self, **which: Any) -> Any:
        session = self._engine.session(**which)
        command = session.command

        def dying(sql: str, *args: Any, **kwargs: Any) -> Any:
            if self._statement in sql:
                raise Crash
            return command(sql, *args, **kwargs)

        session.command = dying  # type: ignore[method-assign]
        return session


@pytest.mark.torture
def test_ten_thousand_towns_in_any_order_and_batches_are_as_at_once_and_as_rebuilt(
    engine: Engine, at_once: AtOnce
) -> None:
    luck = random.Random(13)
    events = [happened for town in range(10_000) for happened in story(luck, 15, town)]
    expected = at_once(events)
    again = events + luck.sample(events, 10_000)
    luck.shuffle(again)
    stitcher = Stitcher(engine, RULES)
    for start in range(0, len(again), 5_000):
        load(engine, again[start : start + 5_000])
        stitcher.round()
    while stitcher.round():
        pass
    assert_same(state(engine), expected)
    assert stitcher.rebuild() == 0
    stitcher.close()
    assert_same(state(engine), expected)


def _dies(stitcher: Stitcher) -> bool:
    try:
        stitcher.round()
    except Crash:
        return True
    return False


@pytest.mark.parametrize("statement", ["WHERE _part IN", "DROP PART", "FROM system.parts"])
def test_a_merge_before_any_statement_loses_nothing(engine: Engine, at_once: AtOnce, statement: str) -> None:
    events = story(random.Random(3))
    expected = at_once(events)
    for start in range(0, len(events), 10):
        load(engine, events[start : start + 10])
    stitcher = Stitcher(cast("Engine", MergingEngine(engine, statement)), RULES)
    while stitcher.round() or _waiting(engine):
        pass
    stitcher.close()
    assert_same(state(engine), expected)


class MergingEngine:
    """An engine that merges the inbox right before the first statement of a kind."""

    def __init__(self, engine: Engine, statement: str) -> None:
        self._engine, self._statement = engine, statement
        self.embedded = engine.embedded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def session(self, **which: Any) -> Any:
        return self._engine.session(**which) if which else MergingSession(self._engine, self._statement)


class MergingSession:
    """A session of such an engine."""

    def __init__(self, engine: Engine, statement: str) -> None:
        self._engine, self._statement, self._session = engine, statement, engine.session()
        self.database = engine.database

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._session, name)

        def merging(sql: Any = "", *args: Any, **kwargs: Any) -> Any:
            if self._statement and self._statement in sql:
                self._statement = ""
                self._session.command("OPTIMIZE TABLE identity_inbox FINAL")
            return method(*([sql] if sql else []), *args, **kwargs)

        return merging


def test_inserts_beside_the_stitcher_lose_nothing(engine: Engine, at_once: AtOnce) -> None:
    luck = random.Random(5)
    events = story(luck, 120)
    expected = at_once(events)
    stop = threading.Event()
    stitcher = Stitcher(engine, RULES, interval_s=0.01)
    runner = threading.Thread(target=stitcher.run, args=(stop,))
    runner.start()
    halves = [
        threading.Thread(target=_load_in_fives, args=(engine, half)) for half in (events[::2], events[1::2])
    ]
    for half in halves:
        half.start()
    for half in halves:
        half.join()
    _wait_until_empty(engine)
    stop.set()
    runner.join()
    assert stitcher.progress.failures == 0
    assert_same(state(engine), expected)


def test_two_stitchers_at_once_are_harmless(engine: Engine, at_once: AtOnce) -> None:
    luck = random.Random(11)
    events = story(luck, 120)
    expected = at_once(events)
    stop = threading.Event()
    stitchers = [Stitcher(engine, RULES, interval_s=0.01) for _ in range(2 if not engine.embedded else 1)]
    threads = [threading.Thread(target=stitcher.run, args=(stop,)) for stitcher in stitchers]
    for thread in threads:
        thread.start()
    _load_in_fives(engine, events)
    _wait_until_empty(engine)
    stop.set()
    for thread in threads:
        thread.join()
    assert_same(state(engine), expected)


def test_a_stitcher_goes_on_when_clickhouse_comes_back(engine: Engine) -> None:
    load(engine, [event(0, "P", user="A")])
    calls = iter([EngineUnavailable("away"), EngineUnavailable("away")])

    class Away:
        embedded = engine.embedded
        cluster, shards, others_by_hand = engine.cluster, engine.shards, engine.others_by_hand
        reload = staticmethod(engine.reload)

        def session(self, **which: Any) -> Any:
            for error in calls:
                raise error
            return engine.session(**which)

    stop = threading.Event()
    stitcher = Stitcher(cast("Engine", Away()), RULES, interval_s=0.01)
    runner = threading.Thread(target=stitcher.run, args=(stop,))
    runner.start()
    _wait_until_empty(engine)
    stop.set()
    runner.join()
    assert stitcher.progress.failures == 2
    assert stitcher.progress.persons_changed == 1


def _load_in_fives(engine: Engine, events: list[dict[str, Any]]) -> Any:
    for start in range(0, len(events), 5):
        load(engine, events[start : start + 5])


def _wait_until_empty(engine: Engine, deadline_s: float = 30) -> Any:
    deadline = time.monotonic() + deadline_s
    while _waiting(engine):
        assert time.monotonic() < deadline, "the inbox is not empty"
        time.sleep(0.02)


def _waiting(engine: Engine) -> int:
    session = engine.session()
    rows: int = session.query("SELECT count() FROM identity_inbox")[0][0]
    session.close()
    return rows


def assert_same(found: State, expected: State) -> Any:
    for name, rows in expected.items():
        assert set(found[name]) ^ set(rows) == set(), name
