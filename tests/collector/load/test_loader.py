"""The loader's thread: nothing stops it for good, and what it counts adds up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stitchline_collector.engine import Engine, EngineUnavailable, Session
from stitchline_collector.load import Loader, insert
from stitchline_collector.load.insert import mark_split
from stitchline_collector.spool.frames import frame
from stitchline_collector.suppression.suppressions import Suppressions

from .segments import POISON, Gone, damaged, line, write


def until(true: Callable[[], object], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def gone() -> Gone:
    return Gone()


@pytest.fixture
def loader(engine: Engine, gone: Gone) -> Iterator[Loader]:
    loader = Loader(engine.session, gone.hook)
    yield loader
    assert loader.stop(10)


def count(engine: Engine) -> int:
    session = engine.session()
    try:
        return int(session.command(f"SELECT count() FROM {engine.database}.events_raw"))
    finally:
        session.close()


def test_segments_are_loaded_in_order_and_leave_the_disk(
    loader: Loader, engine: Engine, gone: Gone, tmp_path: Path
) -> None:
    segments = [write(tmp_path / "folder", [line() for _ in range(n)], n) for n in (1, 2, 3)]
    for segment in segments:
        loader.submit(segment)
    assert (loader.backlog, loader.waiting_rows("events")) == (3, 6)

    loader.start()
    until(lambda: not loader.backlog)

    until(lambda: gone == segments)
    assert count(engine) == loader.loads.loaded["events"] == 6
    assert not any(segment.path.exists() for segment in segments)


def test_a_poison_row_is_isolated_and_the_segments_behind_it_go_on(
    loader: Loader, engine: Engine, gone: Gone, tmp_path: Path
) -> None:
    loader.submit(write(tmp_path / "folder", [line(), line(POISON), line()], 1))
    loader.submit(write(tmp_path / "folder", [line()], 2))

    loader.start()
    until(lambda: len(gone) == 2)

    assert count(engine) == 3
    assert (loader.loads.loaded["events"], loader.loads.isolated["events"]) == (3, 1)


def test_a_damaged_segment_that_a_full_disk_cannot_mend_lets_the_others_pass(
    loader: Loader, engine: Engine, gone: Gone, tmp_path: Path
) -> None:
    segment = write(tmp_path / "folder", [line(seq=i) for i in range(9)], 1)
    loader.submit(damaged(segment, segment.size // 2))
    loader.submit(write(tmp_path / "folder", [line()], 2))
    (
        tmp_path / "folder" / "0000000001-events.corrupt"
    ).mkdir()  # nothing can be kept there, as on a full disk

    loader.start()
    until(lambda: gone)
    assert (loader.backlog, loader.loads.retries["disk"] > 0) == (1, True)
    (tmp_path / "folder" / "0000000001-events.corrupt").rmdir()
    until(lambda: len(gone) == 2)

    loads = loader.loads
    assert (loads.loaded["events"], loads.damaged["events"], loads.damages) == (7, 3, 1)
    assert count(engine) == 7


@pytest.mark.parametrize("part", [0.05, 0.5, 0.99])
def test_a_damaged_segment_loads_but_for_the_damage_which_is_counted(
    loader: Loader, engine: Engine, gone: Gone, tmp_path: Path, part: float
) -> None:
    segment = write(tmp_path / "folder", [line(seq=i) for i in range(30)])
    loader.submit(damaged(segment, int(segment.size * part)))
    loader.submit(write(tmp_path / "folder", [line()], 2))

    loader.start()
    until(lambda: len(gone) == 2)

    loads = loader.loads
    assert loads.loaded["events"] + loads.damaged["events"] == 31
    assert count(engine) == loads.loaded["events"] < 31
    assert segment.path.with_suffix(".corrupt").exists()


def test_a_segment_that_somebody_removed_does_not_stop_the_rest(
    loader: Loader, engine: Engine, gone: Gone, tmp_path: Path
) -> None:
    missing = write(tmp_path / "folder", [line(), line()], 1)
    missing.path.unlink()
    loader.submit(missing)
    loader.submit(write(tmp_path / "folder", [line()], 2))

    loader.start()
    until(lambda: len(gone) == 2)

    assert (count(engine), loader.loads.damaged["events"]) == (1, 2)


def test_what_cannot_be_loaded_now_is_loaded_once_it_can_and_each_is_said_once(
    engine: Engine, gone: Gone, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "stitchline_collector.load")
    away = threading.Event()
    away.set()

    def connect() -> Session:
        if away.is_set():
            raise EngineUnavailable("not yet")
        return engine.session()

    loader = Loader(connect, gone.hook)
    loader.submit(write(tmp_path / "folder", [line()]))
    loader.start()
    until(lambda: loader.loads.fault == "not yet")
    until(lambda: loader.loads.retries["unreachable"] > 1)
    assert loader.backlog == 1
    assert [record.getMessage() for record in caplog.records] == [
        "loading waits, 1 segments are safe on disk: unreachable: not yet"
    ]

    away.clear()
    until(lambda: gone)

    assert loader.loads.fault == ""
    assert caplog.records[-1].getMessage().startswith("loading goes on after unreachable")
    assert count(engine) == 1
    assert loader.stop(10)


def test_a_surprise_does_not_end_the_loader(engine: Engine, gone: Gone, tmp_path: Path) -> None:
    surprises = [RuntimeError("nobody thought of this")]

    def connect() -> Session:
        if surprises:
            raise surprises.pop()
        return engine.session()

    loader = Loader(connect, gone.hook)
    loader.submit(write(tmp_path / "folder", [line()]))
    loader.start()
    until(lambda: gone)

    assert count(engine) == 1
    assert loader.stop(10)


def test_stopping_gives_up_at_its_deadline_and_leaves_the_rest_on_disk(tmp_path: Path, gone: Gone) -> None:
    def connect() -> Session:
        raise EngineUnavailable("away")

    loader = Loader(connect, gone.hook)
    segment = write(tmp_path / "folder", [line()])
    loader.submit(segment)
    loader.start()

    began = time.monotonic()
    assert not loader.stop(0.5)

    assert time.monotonic() - began < 10
    assert segment.path.exists()


def test_stopping_an_idle_loader_takes_no_time(loader: Loader) -> None:
    loader.start()

    began = time.monotonic()
    assert loader.stop(60)
    assert time.monotonic() - began < 10


def test_a_segment_that_was_sent_before_is_compared_with_what_is_there(
    loader: Loader, engine: Engine, gone: Gone, tmp_path: Path
) -> None:
    lines = [line(seq=i) for i in range(10)]
    segment = write(tmp_path / "folder", lines)
    session = engine.session()
    insert._insert(
        session, "events", frame(lines[0] + b"\n"), segment.token
    )  # now the token stands for one row
    session.close()

    loader.submit(segment, sent_before=True)
    loader.start()
    until(lambda: gone)

    assert count(engine) == 10


@pytest.mark.parametrize("is_split", [False, True])
def test_rows_of_somebody_erased_are_left_out_of_what_was_on_disk_before(
    engine: Engine, gone: Gone, tmp_path: Path, *, is_split: bool
) -> None:
    suppressions = Suppressions(tmp_path, b"a secret", lambda _, value: value)
    suppressions.add("one", [("user", "ada")])
    segment = write(
        tmp_path / "folder", [line(identifiers={"user": "ada"}), line(identifiers={"user": "bob"})]
    )
    loader = Loader(engine.session, gone.hook, suppressions=suppressions)

    loader.submit(mark_split(segment) if is_split else segment, sent_before=True)
    loader.start()
    until(lambda: len(gone) == 1)

    assert loader.stop(10)
    assert count(engine) == loader.loads.loaded["events"] == 1
    assert loader.loads.erased["events"] == 1
    assert not list((tmp_path / "folder").glob("*-events*"))
