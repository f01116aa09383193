"""A collector loads into two shards: each event once, whichever shard is killed meanwhile, and the collector too."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stitchline_collector import migrate
from stitchline_collector.engine import Engine
from tests.clickhouse_cluster import ClickHouseCluster
from tests.processes import CollectorProcess
from tests.stitch.stories import event, load
from tests.system.ledger import check_exactly_once
from tests.system.senders import Crowd

# What each insert put into events_raw, where no merge can tidy up: `audit` is the door to both shards' own.
_AUDIT = (
    (
        "CREATE TABLE {0}.audit_local (event_id UUID) ENGINE = MergeTree ORDER BY event_id "
        "SETTINGS non_replicated_deduplication_window = 10000"
    ),
    "CREATE MATERIALIZED VIEW {0}.audit_view TO {0}.audit_local AS SELECT event_id FROM {0}.events_raw_local",
    "CREATE TABLE {0}.audit AS {0}.audit_local ENGINE = Distributed(pair, {0}, audit_local)",
)


def _with_audit(dsn: str) -> None:
    with Engine.open(dsn) as engine:
        migrate.apply(engine)
        for number in range(engine.shards):
            session = engine.session(shard=number)
            for statement in _AUDIT:
                session.command(statement.format(engine.database))
            session.close()


@pytest.fixture
def collector(own_cluster: ClickHouseCluster, tmp_path: Path) -> Iterator[CollectorProcess]:
    _with_audit(own_cluster.dsn())
    process = CollectorProcess(
        tmp_path / "data", own_cluster.dsn(), env={"STITCHLINE_SQL_MAX_ROWS": "100000000"}
    )
    yield process.start()
    process.kill()


def test_killing_either_shard_or_the_collector_loses_and_doubles_nothing(
    own_cluster: ClickHouseCluster, collector: CollectorProcess
) -> None:
    moments = random.Random(3)
    with Crowd(collector.port, connections=3, events_per_batch=3) as crowd:
        for killed in (*own_cluster.shards, None):
            before = len(crowd.acknowledged)
            while len(crowd.acknowledged) < before + 100:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.1, 1.0))  # somewhere within an insert
            if killed is None:
                collector.restart()
            else:
                killed.restart()
    print(check_exactly_once(collector, crowd))
    with Engine.open(own_cluster.dsn()) as engine:
        for number in range(2):
            session = engine.session(shard=number)
            assert session.query("SELECT count() FROM events_raw_local")[0][0] > 0
            session.close()


def test_an_insert_that_one_shard_took_and_the_other_refused_is_there_once_after_it_is_sent_again(
    engine: Engine,
) -> None:
    events = [event(number, f"device-{number}", user=f"u{number}") for number in range(100)]
    away = engine.session(shard=1)
    away.command("RENAME TABLE events_raw_local TO events_raw_gone")
    with pytest.raises(Exception, match="events_raw_local"):
        load(engine, events, token="segment")
    away.command("RENAME TABLE events_raw_gone TO events_raw_local")
    for _ in range(2):
        load(engine, events, token="segment")
    away.close()
    session = engine.session()
    assert session.query("SELECT count(), uniqExact(event_id) FROM events_raw") == [(100, 100)]
    assert session.query("SELECT uniqExact(device_id), uniqExact(node) FROM identity_visits") == [(100, 200)]
    assert session.query("SELECT uniqExact(device) FROM identity_inbox") == [(100,)]
    session.close()


def test_an_insert_of_many_blocks_is_there_once_however_often_it_is_sent(engine: Engine) -> None:
    rows = [[str(uuid.UUID(int=number)), {"id": f"device-{number % 50}"}] for number in range(1000)]
    body = msgspec.json.Encoder().encode_lines(rows)
    session = engine.session()
    for _ in range(3):
        session.insert_body(
            "events_raw",
            ["event_id", "device"],
            body,
            "JSONCompactEachRow",
            settings={
                "insert_deduplication_token": "segment",
                "deduplicate_blocks_in_dependent_materialized_views": 1,
                "max_insert_block_size": 100,
                "min_insert_block_size_rows": 100,
                "min_insert_block_size_bytes": 0,
                "input_format_parallel_parsing": 0,
            },
        )
    assert session.query("SELECT count(), uniqExact(event_id) FROM events_raw") == [(1000, 1000)]
    session.close()
