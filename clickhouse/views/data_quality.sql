-- name: data_quality
-- What is wrong with the data that arrived, by source, SDK and version: lateness, clocks, gaps, doubles, missing tags, rejections.
-- parameters: late_s UInt32 = 3600, clock_off_ms UInt32 = 1000, since String = 1970-01-01, until String = 2100-01-01
-- returns: source String, sdk_name String, sdk_version String, events UInt64, late UInt64, lateness_p50_s Float64, lateness_p99_s Float64, clock_off UInt64, without_seq UInt64, seq_missing UInt64, doubled UInt64, nobody UInt64, without_channel UInt64, without_stage UInt64, unknown_stage UInt64, rejected UInt64
-- reads: journey_stages, words_of, events, failed_events
--
-- Of what arrived from `since` to `until`, counted in events. lateness: from when it happened (clock corrected) to its arrival. seq_missing:
-- numbers between a device's first and last that did not arrive: lost, still on their way, or rejected. doubled: of events with
-- the same device, name and millisecond under several ids, all but one, as when a tag fires twice; copies of one id are dropped before
-- they are counted anywhere. nobody: neither a device nor an identifier. rejected: not stored as events, and not replayed since.
WITH
    (SELECT groupArray(toString(stage)) FROM journey_stages) AS known,
    (SELECT groupArray(word) FROM words_of(kind = 'event')) AS names,
    arrived AS
    (
        SELECT
            CAST(events.source, 'String') AS source,
            CAST(events.sdk.name, 'String') AS sdk_name,
            CAST(events.sdk.version, 'String') AS sdk_version,
            count() AS events,
            countIf(received_at > occurred_at + INTERVAL {late_s:UInt32} SECOND) AS late,
            quantilesExact(0.5, 0.99)(dateDiff('millisecond', occurred_at, received_at) / 1000) AS lateness_s,
            countIf(abs(clock.offset_ms) > {clock_off_ms:UInt32}) AS clock_off,
            countIf(seq = 0) AS without_seq,
            countIf(device_node = 0 AND empty(identifiers)) AS nobody,
            countIf(channel = '') AS without_channel,
            countIf(stage = '') AS without_stage,
            countIf(stage != '' AND NOT has(known, stage)) AS unknown_stage
        FROM events
        WHERE received_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND received_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
        GROUP BY source, sdk_name, sdk_version
    ),
    by_device AS
    (
        SELECT source, sdk_name, sdk_version, sum(missing) AS seq_missing, sum(twice) AS doubled
        FROM
        (
            SELECT
                CAST(events.source, 'String') AS source,
                CAST(events.sdk.name, 'String') AS sdk_name,
                CAST(events.sdk.version, 'String') AS sdk_version,
                uniqExactIf(seq, seq > 0) AS seqs,
                if(seqs = 0, 0, maxIf(seq, seq > 0) - minIf(seq, seq > 0) + 1 - seqs) AS missing,
                -- One number for name and moment: telling texts apart takes three times as long.
                count() - uniqExact(bitShiftLeft(toInt128(toUnixTimestamp64Milli(device_time)), 32) + toUInt32(transform(name, names, arrayEnumerate(names), 0))) AS twice
            FROM events
            WHERE received_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
                AND received_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
                AND device_node != 0
            GROUP BY source, sdk_name, sdk_version, device_node
        )
        GROUP BY source, sdk_name, sdk_version
    ),
    refused AS
    (
        SELECT
            CAST(failed_events.source, 'String') AS source,
            JSONExtractString(raw, 'sdk', 'name') AS sdk_name,
            JSONExtractString(raw, 'sdk', 'version') AS sdk_version,
            count() AS rejected
        FROM failed_events
        WHERE received_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND received_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND replayed_at IS NULL
        GROUP BY source, sdk_name, sdk_version
    )
SELECT
    source, sdk_name, sdk_version, events, late,
    lateness_s[1] AS lateness_p50_s, lateness_s[2] AS lateness_p99_s,
    clock_off, without_seq, toUInt64(seq_missing) AS seq_missing, toUInt64(doubled) AS doubled, nobody, without_channel, without_stage, unknown_stage, rejected
FROM (SELECT * FROM arrived LEFT JOIN by_device USING (source, sdk_name, sdk_version)) AS arrived
FULL OUTER JOIN refused USING (source, sdk_name, sdk_version)
ORDER BY source, sdk_name, sdk_version
