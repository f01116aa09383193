-- Every rejected event, kept whole. A replay writes the row again with replayed_at set, and the view shows the newest.
CREATE TABLE IF NOT EXISTS ${database}.failed_events_raw
(
    failure_id UUID,
    received_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    kind LowCardinality(String) COMMENT 'batch: raw is a native batch of one event; row: raw is one JSONCompactEachRow line of events_raw',
    event_id String,
    reason LowCardinality(String),
    path String,
    raw String CODEC(ZSTD(3)),
    replayed_at Nullable(DateTime64(3, 'UTC')),
    replays UInt8 MATERIALIZED isNotNull(replayed_at)
)
ENGINE = ReplacingMergeTree(replays)
PARTITION BY toYYYYMM(received_at)
ORDER BY (received_at, failure_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW ${database}.failed_events AS
SELECT failure_id, received_at, source, kind, event_id, reason, path, raw, replayed_at
FROM ${database}.failed_events_raw FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;
