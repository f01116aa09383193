-- name: person_latest
-- The latest events of a person, newest first, each with the node by which it was found to be theirs.
-- parameters: nodes Array(UInt64), events UInt32
-- returns: event_id UUID, occurred_at DateTime64(3, 'UTC'), type LowCardinality(String), name LowCardinality(String), channel LowCardinality(String), stage LowCardinality(String), device_id String, device_type LowCardinality(String), session_id String, url String, properties String, found_by UInt64
-- reads: events_raw, identity_visits
SELECT
    event_id,
    occurred_at,
    found.type,
    found.name,
    found.channel,
    found.stage,
    device_id,
    found.device_type,
    session_id,
    url,
    toJSONString(found.properties) AS properties,
    found_by
FROM
(
    SELECT event_id, occurred_at, seq, type, name, channel, stage, device.id AS device_id, device.type AS device_type,
        session_id, page.url AS url, properties, device_time, precedence,
        if(person_node != 0, person_node, device_node) AS found_by
    FROM events_raw
    -- So many visits hold so many events, and the sorting key finds them.
    WHERE (toYYYYMMDD(events_raw.device_time), events_raw.device.id) IN (
            SELECT day, identity_visits.device_id
            FROM identity_visits
            WHERE node IN {nodes:Array(UInt64)}
            GROUP BY day, identity_visits.device_id
            ORDER BY max(last_seen) DESC
            LIMIT {events:UInt32})
        AND if(person_node != 0, person_node, device_node) IN {nodes:Array(UInt64)}
    -- The first arrival of each event, as in the view `events`.
    ORDER BY precedence DESC
    LIMIT 1 BY device_id, device_time, event_id
) AS found
-- A UUIDv7's bytes rise with the time it was made: they order what shares a millisecond and has no seq.
ORDER BY occurred_at DESC, seq DESC, UUIDToNum(event_id) DESC
LIMIT {events:UInt32}
