-- name: person_devices
-- What a person did, by device; an empty device_id is what was done without one.
-- parameters: nodes Array(UInt64)
-- returns: device_id String, device_type String, channels Array(String), first_seen DateTime64(3, 'UTC'), last_seen DateTime64(3, 'UTC'), events UInt64, stage String, stage_at DateTime64(3, 'UTC')
-- reads: identity_visits
SELECT
    device_id,
    toString(max(identity_visits.device_type)) AS device_type,
    arraySort(arrayFilter(channel -> channel != '', groupUniqArrayArray(identity_visits.channels))) AS channels,
    toDateTime64(min(identity_visits.first_seen), 3, 'UTC') AS first_seen,
    toDateTime64(max(identity_visits.last_seen), 3, 'UTC') AS last_seen,
    uniqMerge(identity_visits.events) AS events,
    max(identity_visits.stage).3 AS stage,
    max(identity_visits.stage).1 AS stage_at
FROM identity_visits
WHERE node IN {nodes:Array(UInt64)}
GROUP BY device_id
ORDER BY first_seen, device_id
