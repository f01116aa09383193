-- name: person_devices
-- What a person did, by device; an empty device_id is what was done without one.
-- parameters: nodes Array(UInt64)
-- returns: device_id String, device_type String, channels Array(String), first_seen DateTime64(3, 'UTC'), last_seen DateTime64(3, 'UTC'), events UInt64, stage String, stage_at DateTime64(3, 'UTC')
-- reads: events_raw
SELECT
    device_id,
    argMaxIf(found.device_type, occurred_at, found.device_type != '') AS device_type,
    arraySort(groupUniqArrayIf(channel, channel != '')) AS channels,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen,
    count() AS events,
    argMaxIf(found.stage, (occurred_at, seq), found.stage != '') AS stage,
    maxIf(occurred_at, found.stage != '') AS stage_at
FROM
(
    SELECT device.id AS device_id, device.type AS device_type, channel, stage, occurred_at, seq, device_time, event_id, precedence
    FROM events_raw
    WHERE person_node IN {nodes:Array(UInt64)} OR (person_node = 0 AND device_node IN {nodes:Array(UInt64)})
    -- The first arrival of each event, as in the view `events`, which could not use the indexes of the nodes as well.
    ORDER BY precedence DESC
    LIMIT 1 BY device_id, device_time, event_id
) AS found
GROUP BY device_id
ORDER BY first_seen, device_id
