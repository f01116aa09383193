-- name: data_quality
-- What is wrong with the data that arrived, by source, SDK and version: lateness, clocks, gaps, doubles, missing tags, rejections.
-- parameters: late_s UInt32 = 3600, clock_off_ms UInt32 = 1000, since String = 1970-01-01, until String = 2100-01-01
-- returns: source String, sdk_name String, sdk_version String, events UInt64, late UInt64, lateness_p50_s Float64, lateness_p99_s Float64, clock_off UInt64, without_seq UInt64, seq_missing UInt64, doubled UInt64, nobody UInt64, without_channel UInt64, without_stage UInt64, unknown_stage UInt64, rejected UInt64
-- reads: journey_stages, events, failed_events
--
-- Of what arrived from `since` to `until`, counted in events. lateness: from when it happened (clock corrected) to its arrival. seq_missing:
-- numbers between a device's first and last that did not arrive: lost, still on their way, or rejected. doubled: of events with
-- the same device, name and millisecond under several ids, all but one, as when a tag fires twice; copies of one id are dropped before
-- they are counted anywhere. nobody: neither a device nor an identifier. rejected: not stored as events, and not replayed since.
WITH
    (SELECT groupArray(toString(stage)) FROM journey_stages) AS known,
    arrived AS
    (
        SELECT
            source_of AS source,
            name_of AS sdk_name,
            version_of AS sdk_version,
            sum(n) AS events,
            sum(n_late) AS late,
            quantilesExactMerge(0.5, 0.99)(lateness) AS lateness_s,
            sum(n_clock_off) AS clock_off,
            sum(n_without_seq) AS without_seq,
            sum(n_missing) AS seq_missing,
            sum(n_doubled) AS doubled,
            sum(n_nobody) AS nobody,
            sum(n_without_channel) AS without_channel,
            sum(n_without_stage) AS without_stage,
            sum(n_unknown_stage) AS unknown_stage
        FROM
        (
            SELECT
                CAST(events.source, 'String') AS source_of,
                CAST(events.sdk.name, 'String') AS name_of,
                CAST(events.sdk.version, 'String') AS version_of,
                device.id AS device_id,
                count() AS n,
                countIf(received_at > occurred_at + INTERVAL {late_s:UInt32} SECOND) AS n_late,
                quantilesExactState(0.5, 0.99)(dateDiff('millisecond', occurred_at, received_at) / 1000) AS lateness,
                countIf(abs(clock.offset_ms) > {clock_off_ms:UInt32}) AS n_clock_off,
                countIf(seq = 0) AS n_without_seq,
                if(device_id = '' OR n = n_without_seq, 0,
                    maxIf(seq, seq > 0) - minIf(seq, seq > 0) + 1 - uniqExactIf(seq, seq > 0)) AS n_missing,
                if(device_id = '', 0, n - uniqExact((name, device_time))) AS n_doubled,
                countIf(device_node = 0 AND empty(identifiers)) AS n_nobody,
                countIf(channel = '') AS n_without_channel,
                countIf(stage = '') AS n_without_stage,
                countIf(stage != '' AND NOT has(known, stage)) AS n_unknown_stage
            FROM events
            WHERE received_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
                AND received_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            GROUP BY source_of, name_of, version_of, device_id
        )
        GROUP BY source_of, name_of, version_of
    ),
    refused AS
    (
        SELECT
            CAST(failed_events.source, 'String') AS source_of,
            JSONExtractString(raw, 'sdk', 'name') AS sdk_name,
            JSONExtractString(raw, 'sdk', 'version') AS sdk_version,
            count() AS rejected
        FROM failed_events
        WHERE received_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND received_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND replayed_at IS NULL
        GROUP BY source_of, sdk_name, sdk_version
    )
SELECT
    source, sdk_name, sdk_version, events, late,
    lateness_s[1] AS lateness_p50_s, lateness_s[2] AS lateness_p99_s,
    clock_off, without_seq, toUInt64(seq_missing) AS seq_missing, toUInt64(doubled) AS doubled, nobody, without_channel, without_stage, unknown_stage, rejected
FROM arrived
FULL OUTER JOIN (SELECT source_of AS source, sdk_name, sdk_version, rejected FROM refused) AS refused USING (source, sdk_name, sdk_version)
ORDER BY source, sdk_name, sdk_version
