-- name: person_devices_asof
-- What we thought at a past moment that a person had done, by device; the columns are those of person_devices.
-- parameters: nodes Array(UInt64), person_id UInt64, events UInt32, at DateTime64(6, 'UTC')
-- returns: device_id String, device_type String, channels Array(String), first_seen DateTime64(3, 'UTC'), last_seen DateTime64(3, 'UTC'), events UInt64, stage String, stage_at Tuple(DateTime64(3, 'UTC'), UInt64, UUID), latest Array(Tuple(DateTime64(3, 'UTC'), UInt64, UUID, UInt32, String, UInt64))
-- reads: person_events_asof_by_device, identity_whereabouts
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
FROM person_events_asof_by_device(at = toString({at:DateTime64(6, 'UTC')})) AS done
WHERE (toYYYYMMDD(device_time), device_id) IN (
        SELECT day, identity_whereabouts.device_id
        FROM identity_whereabouts
        WHERE node IN {nodes:Array(UInt64)})  -- near days too: the device may have been nobody's then
    AND person_id = {person_id:UInt64}
GROUP BY device_id
ORDER BY first_seen, device_id
