-- name: sample_events
-- Events that are samples of evidence, looked for where the evidence's nodes were seen, and among those that arrived when it was first known.
-- parameters: nodes Array(UInt64), events Array(UUID), first_seen DateTime64(3, 'UTC'), last_seen DateTime64(3, 'UTC'), known_at Array(DateTime64(3, 'UTC'))
-- returns: event_id UUID, occurred_at DateTime64(3, 'UTC'), type String, name String, channel String, source String, reason String
-- reads: events_raw, identity_visits
SELECT
    event_id,
    any(sample.occurred_at) AS occurred_at,
    toString(any(sample.type)) AS type,
    toString(any(sample.name)) AS name,
    toString(any(sample.channel)) AS channel,
    toString(any(sample.source)) AS source,
    any(sample.reason) AS reason
FROM
(
    SELECT event_id, occurred_at, type, name, channel, source, ifNull(properties.reason.:String, '') AS reason
    FROM events_raw
    WHERE event_id IN {events:Array(UUID)} AND (toYYYYMMDD(device_time), events_raw.device.id) IN (
        SELECT day, device_id
        FROM identity_visits
        WHERE node IN {nodes:Array(UInt64)} AND last_seen >= {first_seen:DateTime64(3, 'UTC')} AND first_seen <= {last_seen:DateTime64(3, 'UTC')}
        LIMIT 500)
    UNION ALL
    -- An operator's word about two devices was said on none, so no visit leads to it.
    SELECT event_id, occurred_at, type, name, channel, source, ifNull(properties.reason.:String, '') AS reason
    FROM events_raw
    WHERE event_id IN {events:Array(UUID)} AND received_at IN {known_at:Array(DateTime64(3, 'UTC'))}
) AS sample
GROUP BY event_id
