-- Every accepted event, as the loader writes it. Analysts read the view `events`, which shows each event once.
CREATE TABLE IF NOT EXISTS ${database}.events_raw
(
    event_id UUID,
    type LowCardinality(String),
    name LowCardinality(String),
    occurred_at DateTime64(3, 'UTC') COMMENT 'when it happened, the device clock corrected' CODEC(Delta(8), ZSTD(1)),
    device_time DateTime64(3, 'UTC') COMMENT 'when it happened by the device clock' CODEC(Delta(8), ZSTD(1)),
    seq UInt64 CODEC(DoubleDelta, ZSTD(1)),
    identifiers Map(LowCardinality(String), String),
    linked Map(LowCardinality(String), String),
    channel LowCardinality(String),
    stage LowCardinality(String),
    session_id String,
    page Tuple(url String, title String, referrer String),
    campaign Tuple(source LowCardinality(String), medium LowCardinality(String), name LowCardinality(String),
                   term LowCardinality(String), content LowCardinality(String), click_id String),
    consent Map(LowCardinality(String), Bool),
    properties JSON,
    device Tuple(id String, type LowCardinality(String), os LowCardinality(String), os_version LowCardinality(String),
                 manufacturer LowCardinality(String), model LowCardinality(String), app_version LowCardinality(String),
                 locale LowCardinality(String), timezone LowCardinality(String), screen_width UInt16, screen_height UInt16),
    sent_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    source LowCardinality(String),
    sdk Tuple(name LowCardinality(String), version LowCardinality(String)),
    ip String,
    geo Tuple(country LowCardinality(String), region LowCardinality(String), city LowCardinality(String)),
    agent Tuple(browser LowCardinality(String), browser_version LowCardinality(String), os LowCardinality(String),
                os_version LowCardinality(String), device LowCardinality(String), is_bot Bool),
    clock Tuple(offset_ms Int64, confidence Float32),

    -- Who and where as nodes: sipHash64(namespace, '\0', value). The deciding person-class identifier is the user, then
    -- e-mail, phone, then any other namespace in alphabetical order.
    device_node UInt64 MATERIALIZED if(device.id = '', 0, sipHash64('device', '\0', device.id)),
    person_node UInt64 MATERIALIZED multiIf(
        identifiers['user'] != '', sipHash64('user', '\0', identifiers['user']),
        identifiers['email'] != '', sipHash64('email', '\0', identifiers['email']),
        identifiers['phone'] != '', sipHash64('phone', '\0', identifiers['phone']),
        arrayExists((namespace, value) -> namespace NOT IN ('anonymous', 'device') AND value != '',
                    mapKeys(identifiers), mapValues(identifiers)),
        arraySort(arrayMap((namespace, value) -> (namespace, sipHash64(namespace, '\0', value)),
                  arrayFilter((namespace, value) -> namespace NOT IN ('anonymous', 'device') AND value != '',
                              mapKeys(identifiers), mapValues(identifiers)),
                  arrayFilter((value, namespace) -> namespace NOT IN ('anonymous', 'device') AND value != '',
                              mapValues(identifiers), mapKeys(identifiers))))[1].2,
        0),

    -- The first arrival wins a merge, because ReplacingMergeTree keeps the largest version. Copies of an event share
    -- device_time, so the time since then orders them as received_at does, in a third of the bytes.
    precedence UInt64 MATERIALIZED toUInt64(4611686018427387904 + toUnixTimestamp64Milli(device_time) - toUnixTimestamp64Milli(received_at)),

    INDEX by_device_node device_node TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_person_node person_node TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 1,
    INDEX by_received_at received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(precedence)
-- A device's clock may say anything: what lies outside these years shares two partitions.
PARTITION BY multiIf(device_time < toDateTime64('2020-01-01 00:00:00', 3, 'UTC'), 0,
                     device_time >= toDateTime64('2038-01-01 00:00:00', 3, 'UTC'), 999999,
                     toYYYYMM(device_time))
-- Only values that a retry cannot change, and none that names a person. Why the day comes first: docs/decisions/0001.
ORDER BY (toYYYYMMDD(device_time), device.id, device_time, event_id)
-- The collector deletes its copy when an insert has succeeded, so a success must survive a power loss: fsync.
SETTINGS default_compression_codec = 'ZSTD(1)', non_replicated_deduplication_window = 10000, fsync_after_insert = 1,
         fsync_part_directory = 1;
