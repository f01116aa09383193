-- What webhooks are decided by. The inbox is a queue of events that were not looked at yet, whose unit is the data part, as
-- identity_inbox is; only a collector with webhooks makes the view that fills it.
CREATE TABLE IF NOT EXISTS ${database}.activation_inbox
(
    event_id UUID,
    day UInt32 COMMENT 'toYYYYMMDD(device_time), as in the sorting key of events_raw',
    device_id String
)
ENGINE = MergeTree
ORDER BY tuple();

-- Who reached which milestone and who is in which segment, by a node of theirs: whoever that node's person is now. `is_in` 0 is
-- somebody who left a segment; node 0 says that a segment's members of the beginning are written down.
CREATE TABLE IF NOT EXISTS ${database}.activation_states
(
    trigger LowCardinality(String),
    node UInt64,
    is_in UInt8,
    occurrence UInt32 COMMENT 'how often they entered; 0: they were in it at the beginning',
    changed_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (trigger, node)
SETTINGS index_granularity = 1024;

-- Which webhooks were told of whom, for the caps.
CREATE TABLE IF NOT EXISTS ${database}.activation_told
(
    webhook LowCardinality(String),
    node UInt64,
    id String COMMENT 'of the message',
    told_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (node, told_at)
TTL toDateTime(told_at) + INTERVAL 90 DAY
SETTINGS index_granularity = 1024;
