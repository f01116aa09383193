-- name: tail
-- Events that arrived after a moment, the oldest first, at most so many of the newest.
-- parameters: after DateTime64(3, 'UTC'), name String, events UInt32
-- returns: event_id UUID, received_at DateTime64(3, 'UTC'), occurred_at DateTime64(3, 'UTC'), type LowCardinality(String), name LowCardinality(String), channel LowCardinality(String), stage LowCardinality(String), device_id String, device_type LowCardinality(String), identifiers Map(String, String), source LowCardinality(String)
-- reads: events_raw
SELECT
    event_id, received_at, occurred_at, type, name, channel, stage, device_id, device_type, identifiers, source
FROM
(
    SELECT event_id, received_at, occurred_at, seq, type, name, channel, stage, device.id AS device_id, device.type AS device_type,
        CAST(identifiers, 'Map(String, String)') AS identifiers, source
    FROM events_raw
    WHERE received_at > {after:DateTime64(3, 'UTC')} AND ({name:String} = '' OR name = {name:String})
    ORDER BY received_at DESC, occurred_at DESC, seq DESC, UUIDToNum(event_id) DESC
    LIMIT 1 BY event_id
    LIMIT {events:UInt32}
)
ORDER BY received_at, occurred_at, seq, UUIDToNum(event_id)
