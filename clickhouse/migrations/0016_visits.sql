-- Where and when each node was seen: one row per node, day and device. It finds a person's events among everybody's, which
-- lie by day and device; and it already is the summary. Whatever comes twice changes nothing.
CREATE TABLE IF NOT EXISTS ${database}.identity_visits
(
    node UInt64 COMMENT 'that decides whose the events are',
    day UInt32 COMMENT 'toYYYYMMDD(device_time), as in the sorting key of events_raw',
    device_id String,
    device_type SimpleAggregateFunction(max, LowCardinality(String)),
    channels SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    stage SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), seq UInt64, name String)) COMMENT 'the latest',
    events AggregateFunction(uniq, UUID)
)
ENGINE = AggregatingMergeTree
ORDER BY (node, day, device_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.identity_visits_feed TO ${database}.identity_visits AS
SELECT
    if(person_node != 0, person_node, device_node) AS node,
    toYYYYMMDD(device_time) AS day,
    device.id AS device_id,
    max(device.type) AS device_type,
    groupUniqArray(toString(channel)) AS channels,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen,
    maxIf((occurred_at, seq, toString(events_raw.stage)), events_raw.stage != '') AS stage,
    uniqState(event_id) AS events
FROM ${database}.events_raw
WHERE node != 0
GROUP BY node, day, device_id;
