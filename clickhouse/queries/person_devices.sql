-- name: person_devices
-- What a person did, by device; an empty device_id is what was done without one. `latest` are its latest events, in any order.
-- parameters: nodes Array(UInt64), person_id UInt64, events UInt32
-- returns: device_id String, device_type String, channels Array(String), first_seen DateTime64(3, 'UTC'), last_seen DateTime64(3, 'UTC'), events UInt64, stage String, stage_at Tuple(DateTime64(3, 'UTC'), UInt64, UUID), latest Array(Tuple(DateTime64(3, 'UTC'), UInt64, UUID, UInt32, String, UInt64))
-- reads: person_events_by_device, identity_visits, identity_recent, identity_base
SELECT
    device_id,
    toString(max(done.device_type)) AS device_type,
    arraySort(groupUniqArrayIf(toString(channel), channel != '')) AS channels,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen,
    uniqExact(event_id) AS events,
    toString(argMaxIf(done.stage, (occurred_at, seq, UUIDToNum(event_id)), done.stage != '')) AS stage,
    argMaxIf((occurred_at, seq, event_id), (occurred_at, seq, UUIDToNum(event_id)), done.stage != '') AS stage_at,
    arrayMap(one -> (one.1, one.2, one.4, one.5, one.6, one.7), arraySlice(arrayReverseSort(groupArray(
        -- A UUIDv7's bytes rise with the time it was made: they order what shares a millisecond and has no seq.
        (occurred_at, seq, UUIDToNum(event_id), event_id, toYYYYMMDD(device_time), toString(done.found_by), deciding_node)
    )), 1, {events:UInt32})) AS latest
FROM person_events_by_device AS done
-- The places of identity_whereabouts, without the view: analysing it would take as long as all else here but the rule.
WHERE (toYYYYMMDD(device_time), device_id) IN (
        SELECT
            arrayJoin(if(
                device_id = '' OR dictGetOrDefault('identity_recent', 'person_id', sipHash64('device', '\0', device_id) AS device,
                    dictGetOrDefault('identity_base', 'person_id', device, toUInt64(1))) = 0,
                [toYYYYMMDD(YYYYMMDDToDate32(day) - 1), day, toYYYYMMDD(YYYYMMDDToDate32(day) + 1)], [day])) AS near,
            device_id
        -- A level of its own: on a cluster this much is asked of each shard, where the dictionaries' short names say nothing.
        FROM (SELECT day, device_id FROM identity_visits WHERE node IN {nodes:Array(UInt64)}))
    AND person_id = {person_id:UInt64}
GROUP BY device_id
ORDER BY first_seen, device_id
