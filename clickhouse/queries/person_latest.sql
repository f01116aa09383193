-- name: person_latest
-- The latest events of a person since a moment, newest first, each with how it was found to be theirs and by which node.
-- parameters: nodes Array(UInt64), person_id UInt64, since DateTime64(3, 'UTC'), events UInt32
-- returns: event_id UUID, occurred_at DateTime64(3, 'UTC'), type LowCardinality(String), name LowCardinality(String), channel LowCardinality(String), stage LowCardinality(String), device_id String, device_type LowCardinality(String), session_id String, url String, properties String, found_by String, deciding_node UInt64
-- reads: person_events_by_device, identity_whereabouts
SELECT
    event_id,
    occurred_at,
    type,
    name,
    channel,
    stage,
    device_id,
    device_type,
    session_id,
    page.url AS url,
    toJSONString(done.properties) AS properties,
    toString(done.found_by) AS found_by,
    deciding_node
FROM person_events_by_device AS done
WHERE (toYYYYMMDD(device_time), device_id) IN (
        SELECT day, identity_whereabouts.device_id
        FROM identity_whereabouts
        WHERE node IN {nodes:Array(UInt64)} AND (NOT is_near OR is_nobodys)
            -- What is near a visit may be as much later.
            AND (last_seen >= {since:DateTime64(3, 'UTC')} OR is_nobodys AND last_seen + INTERVAL 2 DAY >= {since:DateTime64(3, 'UTC')}))
    AND occurred_at >= {since:DateTime64(3, 'UTC')}
    AND person_id = {person_id:UInt64}
-- A UUIDv7's bytes rise with the time it was made: they order what shares a millisecond and has no seq.
ORDER BY occurred_at DESC, seq DESC, UUIDToNum(event_id) DESC
LIMIT {events:UInt32}
