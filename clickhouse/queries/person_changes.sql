-- name: person_changes
-- What differs between who we thought did something at a past moment and who we think did it now, for one person: `came` and `left` since then, or `arrived` later; the oldest first.
-- parameters: nodes Array(UInt64), person_id UInt64, person_then UInt64, at DateTime64(6, 'UTC'), events UInt32
-- returns: event_id UUID, occurred_at DateTime64(3, 'UTC'), type LowCardinality(String), name LowCardinality(String), channel LowCardinality(String), device_id String, device_type LowCardinality(String), change String, then_person_id UInt64, then_found_by String, now_person_id UInt64, now_found_by String, then_node UInt64, now_node UInt64
-- reads: person_events_by_device, person_events_asof_by_device, identity_whereabouts
SELECT
    current.event_id AS event_id,
    occurred_at,
    type,
    name,
    channel,
    device_id,
    device_type,
    multiIf(former.had_arrived = 0, 'arrived', current.person_id = {person_id:UInt64}, 'came', 'left') AS change,
    former.person_id AS then_person_id,
    if(change = 'arrived', '', toString(former.found_by)) AS then_found_by,
    current.person_id AS now_person_id,
    toString(current.found_by) AS now_found_by,
    former.deciding_node AS then_node,
    current.deciding_node AS now_node
FROM
(
    SELECT event_id, occurred_at, seq, type, name, channel, device_id, device_type, person_id, found_by, deciding_node
    FROM person_events_by_device
    WHERE (toYYYYMMDD(device_time), device_id) IN (
        SELECT day, identity_whereabouts.device_id FROM identity_whereabouts WHERE node IN {nodes:Array(UInt64)})
) AS current
LEFT ANY JOIN
(
    SELECT event_id, person_id, found_by, deciding_node, 1 AS had_arrived
    FROM person_events_asof_by_device(at = toString({at:DateTime64(6, 'UTC')}))
    WHERE (toYYYYMMDD(device_time), device_id) IN (
        SELECT day, identity_whereabouts.device_id FROM identity_whereabouts WHERE node IN {nodes:Array(UInt64)})
) AS former ON former.event_id = current.event_id
-- Nobody is nobody's journey: 0 stands for an identifier that had no person.
WHERE ({person_id:UInt64} != 0 AND current.person_id = {person_id:UInt64}
        AND (former.had_arrived = 0 OR {person_then:UInt64} = 0 OR former.person_id != {person_then:UInt64}))
    OR ({person_then:UInt64} != 0 AND former.had_arrived = 1 AND former.person_id = {person_then:UInt64}
        AND ({person_id:UInt64} = 0 OR current.person_id != {person_id:UInt64}))
ORDER BY occurred_at, seq, UUIDToNum(event_id)
LIMIT {events:UInt32}
