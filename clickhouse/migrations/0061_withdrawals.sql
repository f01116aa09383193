-- Withdrawals of consent to analytics that were not looked at yet: a queue whose unit is the data part, as identity_inbox is. Only a
-- collector with `erase_on_withdrawal` makes the view that fills it.
CREATE TABLE IF NOT EXISTS ${database}.withdrawals_inbox
(
    event_id UUID,
    day UInt32 COMMENT 'toYYYYMMDD(device_time), as in the sorting key of events_raw',
    device_id String,
    is_place Bool COMMENT 'the device is of a type that belongs to nobody',
    identifiers Map(LowCardinality(String), String),
    by_server Bool,
    occurred_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY tuple();
