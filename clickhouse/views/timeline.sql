-- name: timeline
-- What one person did, in order, on every device and channel, and what says that it was this person.
-- parameters: namespace String = user, value String = , person UInt64 = 0, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: occurred_at DateTime64(3, 'UTC'), seq UInt64, event_id UUID, type String, name String, channel String, device_id String, device_type String, session_id String, stage String, derived_stage String, milestones Array(String), found_by String, decided_by String, device_joined_at Nullable(DateTime64(6, 'UTC')), device_evidence Array(Tuple(DateTime64(3, 'UTC'), String, String, UUID))
-- reads: journey_events, identity_visits, identity_members, identity_nodes, identity_edges, identity_quarantine_raw, identity_log
--
-- The person of an identifier (`namespace`, `value`), or `person` if it is not 0. decided_by is the identifier that found_by speaks of.
-- device_evidence (first seen, kind, identifier, event_id of a sample) is what was seen with the device and is this person's too, device_joined_at since when the device is: both are empty on
-- a shared device, whose sessions are found one by one, and on a device that is its own person. With `stitched = 0`: only the events that
-- say the identifier, or were done on the device, themselves. Only the days and devices of the person's visits are read.
WITH
    if({person:UInt64} != 0, {person:UInt64}, sipHash64({namespace:String}, '\0', {value:String})) AS asked,
    dictGetOrDefault('identity_recent', 'person_id', asked, dictGetOrDefault('identity_base', 'person_id', asked, asked)) AS whose,
    members AS
    (
        SELECT node
        FROM
        (
            SELECT node FROM identity_members WHERE person_id = whose
            UNION DISTINCT SELECT asked AS node
            UNION DISTINCT SELECT whose AS node
        )
        WHERE dictGetOrDefault('identity_recent', 'person_id', node, dictGetOrDefault('identity_base', 'person_id', node, node)) = whose
    ),
    names AS
    (
        SELECT node, concat(any(identity_nodes.namespace), ':', any(identity_nodes.value)) AS identifier
        FROM identity_nodes
        WHERE node IN (SELECT node FROM members)
        GROUP BY node
    ),
    joined AS
    (
        SELECT node, argMax(person_id, known_from) AS person_now, max(known_from) AS joined_at
        FROM identity_log
        WHERE node IN (SELECT node FROM members)
        GROUP BY node
        HAVING person_now = whose
    ),
    evidence AS
    (
        SELECT node, arraySort(groupArray((seen, kind, identifier, sample))) AS found
        FROM
        (
            SELECT node, neighbour, toString(identity_edges.kind) AS kind, min(identity_edges.first_seen) AS seen, any(identity_edges.event_id) AS sample
            FROM identity_edges
            WHERE node IN (SELECT node FROM members) AND neighbour IN (SELECT node FROM members)
                AND (node, neighbour, identity_edges.kind) NOT IN (
                    SELECT node, neighbour, identity_quarantine_raw.kind FROM identity_quarantine_raw FINAL
                    WHERE rule != '' AND node IN (SELECT node FROM members))
            GROUP BY node, neighbour, kind
        ) AS edges
        INNER JOIN (SELECT node AS known_node, identifier FROM names) AS known ON edges.neighbour = known.known_node
        GROUP BY node
    )
SELECT
    occurred_at,
    seq,
    event_id,
    CAST(journey_events.type, 'String') AS type,
    CAST(journey_events.name, 'String') AS name,
    CAST(journey_events.channel, 'String') AS channel,
    journey_events.device_id AS device_id,
    CAST(journey_events.device_type, 'String') AS device_type,
    session_id,
    CAST(journey_events.stage, 'String') AS stage,
    CAST(journey_events.derived_stage, 'String') AS derived_stage,
    CAST(journey_events.milestones, 'Array(String)') AS milestones,
    CAST(journey_events.found_by, 'String') AS found_by,
    multiIf(
        names.node != 0, names.identifier,
        deciding_node = 0, '',
        deciding_node = device_node, concat('device:', device_id),
        -- What was never seen with another identifier has its name in the event only.
        arrayFirst(one -> sipHash64(splitByChar(':', one)[1], '\0', substring(one, position(one, ':') + 1)) = deciding_node,
            arrayMap((one, other) -> concat(one, ':', other), mapKeys(identifiers), mapValues(identifiers)))) AS decided_by,
    if(joined.node = 0, NULL, joined.joined_at) AS device_joined_at,
    CAST(evidence.found, 'Array(Tuple(DateTime64(3, \'UTC\'), String, String, UUID))') AS device_evidence
FROM journey_events
LEFT ANY JOIN names ON deciding_node = names.node
LEFT ANY JOIN joined ON device_node = joined.node
LEFT ANY JOIN evidence ON device_node = evidence.node
WHERE (toYYYYMMDD(device_time), journey_events.device_id) IN (
        -- Whose session it is on a shared device may have been said on the day before or after.
        SELECT
            arrayJoin(if(
                device_id = '' OR dictGetOrDefault('identity_recent', 'person_id', sipHash64('device', '\0', device_id) AS device,
                    dictGetOrDefault('identity_base', 'person_id', device, toUInt64(1))) = 0,
                [toYYYYMMDD(YYYYMMDDToDate32(day) - 1), day, toYYYYMMDD(YYYYMMDDToDate32(day) + 1)], [day])) AS near,
            device_id
        FROM identity_visits
        WHERE node IN (SELECT node FROM members))
    AND occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
    AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
    AND if({stitched:UInt8} = 1, whose != 0 AND person_id = whose, asked IN (person_node, device_node))
ORDER BY occurred_at, seq, UUIDToNum(event_id)
