"""Several collectors on one cluster: one stitches, the next takes over; and they need not be of one version."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from stitchline_collector import migrate
from stitchline_collector.engine import Engine
from stitchline_collector.sql_files import files
from tests.processes import SAME_KEY, CollectorProcess
from tests.system.ledger import metrics, wait_until_loaded
from tests.system.senders import Crowd

_NEXT = """
ALTER TABLE ${database}.events_raw ADD COLUMN IF NOT EXISTS told_later String DEFAULT 'nothing';

CREATE TABLE IF NOT EXISTS ${database}.of_the_next_version (x String) ENGINE = MergeTree ORDER BY x;

CREATE OR REPLACE VIEW ${database}.events AS
SELECT event_id, device, told_later FROM ${database}.events_raw FINAL;
"""
_EACH_ONCE = "SELECT count(), uniqExact(event_id) FROM events"


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _is_standby(collector: CollectorProcess) -> bool:
    return metrics(collector)["stitchline_stitch_standby"] == 1


def test_one_of_two_stitches_and_when_it_is_killed_the_other_takes_over_and_nothing_is_lost(
    collector: Callable[..., CollectorProcess],
) -> None:
    first = collector(env=SAME_KEY)
    _wait_for(lambda: not _is_standby(first), "the first stitches")
    second = collector(env=SAME_KEY)
    _wait_for(lambda: _is_standby(second), "the second stands by")
    assert not _is_standby(first)
    with Crowd(first.port, 1, 2) as one, Crowd(second.port, 2, 2) as other:
        _wait_for(lambda: min(len(one.acknowledged), len(other.acknowledged)) > 50, "both take events")
        first.kill()
        known = len(other.acknowledged)
        _wait_for(lambda: len(other.acknowledged) > known + 20, "the second goes on")
    _wait_for(lambda: not _is_standby(second), "the second takes over")
    second.send({"type": "identify", "name": "", "identifiers": {"user": "u"}}, device={"id": "late"})
    second.sql_until("SELECT count() FROM identifiers WHERE value = 'u' AND person_id = node", [[1]])
    first.start()
    _wait_for(lambda: _is_standby(first), "the first comes back and stands by")
    wait_until_loaded(first)
    wait_until_loaded(second)
    acknowledged = [*one.acknowledged, *other.acknowledged]
    unanswered = {*one.unanswered, *other.unanswered}
    counts = second.sql("SELECT toString(event_id), count() FROM events WHERE name = 'x' GROUP BY event_id")
    there = {id_: int(count) for id_, count in counts}
    assert set(acknowledged) <= set(there) <= set(acknowledged) | unanswered
    assert set(there.values()) == {1}


def test_an_older_collector_goes_on_loading_while_a_newer_one_migrates(
    collector: Callable[..., CollectorProcess], dsn: str, tmp_path: Path
) -> None:
    older = collector()
    newer = tmp_path / "migrations"
    newer.mkdir()
    for file in files("migrations"):
        (newer / file.name).write_text(file.read_text())
    (newer / "9000_next.sql").write_text(_NEXT)
    with Crowd(older.port, 2, 2) as crowd:
        _wait_for(lambda: len(crowd.acknowledged) > 50, "it takes events")
        with Engine.open(dsn) as engine:
            assert migrate.apply(engine, newer) == ["9000_next.sql"]
        known = len(crowd.acknowledged)
        _wait_for(lambda: len(crowd.acknowledged) > known + 50, "it goes on taking events")
    wait_until_loaded(older)
    total = len(crowd.acknowledged)
    assert set(crowd.statuses) == {200}
    assert older.sql(_EACH_ONCE) == [[total, total]]
    assert older.sql("SELECT DISTINCT told_later FROM events") == [["nothing"]]
    older.restart()  # it finds a migration it does not know, and goes on
    older.send({"type": "track", "name": "after"}, device={"id": "d"})
    older.sql_until(_EACH_ONCE, [[total + 1, total + 1]])
