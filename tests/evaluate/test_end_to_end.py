"""A simulated world through ClickHouse: loaded, stitched, and compared with its truth."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from stitchline_collector.decode import Limits
from stitchline_collector.enrich import Enricher
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.geo import GeoDatabase
from stitchline_collector.enrich.privacy import Privacy
from stitchline_collector.evaluate import OURS, AnswerKey, Evaluation, evaluate, read
from stitchline_collector.evaluate.answers import EVENTS_OF_A_SLICE
from stitchline_collector.history.batches import Batches
from stitchline_collector.rows import EVENT_COLUMNS
from stitchline_collector.simulate import Behaviour, write
from stitchline_collector.stitch import Stitcher

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "200"
    write(200, 5, folder, Behaviour())
    return folder


def load(engine: Engine, world: Path) -> None:
    """As an import does, without its spool."""
    enricher = Enricher(Contacts(b"key"), Privacy(required=False), GeoDatabase())
    batches = Batches(enricher, Limits(), "import")
    session = engine.session()
    for path in sorted(world.glob("events-*")):
        rows = batches.rows(zstd.decompress(path.read_bytes()), 1, path.name, NOW)
        assert rows.reasons == []
        settings = {"date_time_input_format": "best_effort"}
        session.insert_body("events_raw", EVENT_COLUMNS, rows.events, "JSONCompactEachRow", None, settings)
    session.close()


def stitch(engine: Engine) -> None:
    stitcher = Stitcher(engine)
    while stitcher.round():
        pass
    stitcher.close()


def measured(engine: Engine, world: Path) -> Evaluation:
    key = AnswerKey(world)
    reader = engine.reader()
    answers = read(key, lambda sql: reader.raw(sql, "RowBinary"))
    reader.close()
    return evaluate(key, answers)


@pytest.mark.usefixtures("_quick_slices")
def test_a_stitched_world_is_close_to_its_truth(engine: Engine, world: Path) -> None:
    load(engine, world)
    stitch(engine)
    evaluation = measured(engine, world)
    assert (evaluation.missing, evaluation.foreign) == (0, 0)
    ours, *others = evaluation.methods.values()
    assert ours.pairwise.f05 >= 0.93
    for other in others:
        assert ours.pairwise.f05 > other.pairwise.f05
    assert ours.users_sharing_a_person == 0


@pytest.fixture
def _quick_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several slices, however small the world."""
    monkeypatch.setattr("stitchline_collector.evaluate.answers.EVENTS_OF_A_SLICE", EVENTS_OF_A_SLICE // 100)


def test_events_that_are_not_there_are_missing_and_others_are_foreign(
    engine: Engine, world: Path, tmp_path: Path
) -> None:
    write(5, 99, tmp_path / "other", Behaviour())
    load(engine, tmp_path / "other")
    evaluation = measured(engine, world)
    assert evaluation.missing == evaluation.world.events
    assert evaluation.foreign > 0
    assert evaluation.methods[OURS].persons == 0
