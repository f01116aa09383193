-- name: tail
-- Events that arrived after a moment, the oldest first, at most so many of the newest.
-- parameters: after DateTime64(3, 'UTC'), name String, events UInt32
-- returns: event_id UUID, received_at DateTime64(3, 'UTC'), occurred_at DateTime64(3, 'UTC'), type String, name String, channel String, stage String, device_id String, device_type String, identifiers Map(String, String), source String
-- reads: events_raw
SELECT
    event_id, received_at, occurred_at, type, name, channel, stage, device_id, device_type, identifiers, source
FROM
(
    SELECT event_id, received_at, occurred_at, toString(type) AS type, toString(events_raw.name) AS name,
        toString(channel) AS channel, toString(stage) AS stage, device.id AS device_id, toString(device.type) AS device_type,
        CAST(identifiers, 'Map(String, String)') AS identifiers, toString(source) AS source
    FROM events_raw
    WHERE received_at > {after:DateTime64(3, 'UTC')} AND ({name:String} = '' OR events_raw.name = {name:String})
    ORDER BY received_at DESC, event_id
    LIMIT 1 BY event_id
    LIMIT {events:UInt32}
)
ORDER BY received_at, occurred_at
