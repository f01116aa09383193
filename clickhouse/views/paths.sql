-- name: paths
-- What people do just before or after an event: the steps of their paths as edges, the most travelled first.
-- parameters: event String = , direction String = after, depth UInt8 = 4, top UInt16 = 50, within String = journey, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: step UInt8, source String, target String, people UInt64, paths UInt64
-- reads: journey_events
--
-- A path begins with an event of that name and follows the person's next `depth` events (`before`: those that led to it), repeats in a row
-- taken as one and another event of the same name ending it. within: `journey`, or `session` for what belongs to its session only.
-- Without an event, a path begins with each person's (or session's) first. step 1 is the edge nearest to the event. `top` edges of each step.
SELECT
    toUInt8(step) AS step,
    if({direction:String} = 'before', walk[step + 1], walk[step]) AS source,
    if({direction:String} = 'before', walk[step], walk[step + 1]) AS target,
    uniqExact(who) AS people,
    count() AS paths
FROM
(
    SELECT
        who,
        names,
        arrayJoin(arrayFilter(at -> if({event:String} = '', at = 1, names[at] = {event:String}), arrayEnumerate(names))) AS start,
        arraySlice(names, start, {depth:UInt8} + 1) AS ahead,
        indexOf(arrayPopFront(ahead), {event:String}) AS again,
        if({event:String} != '' AND again > 0, arraySlice(ahead, 1, again + 1), ahead) AS walk
    FROM
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            arraySort(groupArray((toUnixTimestamp64Milli(occurred_at), seq, UUIDToNum(event_id), if(name = '', toString(type), toString(name))))) AS events,
            if({direction:String} = 'before', arrayReverse(arrayMap(one -> one.4, events)), arrayMap(one -> one.4, events)) AS in_turn,
            arrayFilter((one, place) -> place = 1 OR one != in_turn[place - 1], in_turn, arrayEnumerate(in_turn)) AS names
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({direction:String} NOT IN ('after', 'before'), 'direction is after or before')
            AND NOT throwIf({within:String} NOT IN ('journey', 'session'), 'within is journey or session')
            AND who != 0
        GROUP BY who, if({within:String} = 'session', session_id, '')
        HAVING {event:String} = '' OR has(names, {event:String})
    )
)
ARRAY JOIN range(1, length(walk)) AS step
GROUP BY step, source, target
ORDER BY step, paths DESC, people DESC, source, target
LIMIT {top:UInt16} BY step
