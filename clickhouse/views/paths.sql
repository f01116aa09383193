-- name: paths
-- What people do just before or after an event: the steps of their paths as edges, the most travelled first.
-- parameters: event String = , direction String = after, depth UInt8 = 4, top UInt16 = 50, within String = journey, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: step UInt8, source String, target String, people UInt64, paths UInt64
-- reads: words_of, journey_events
--
-- A path begins with an event of that name and follows the person's next `depth` events (`before`: those that led to it), repeats in a row
-- taken as one and another event of the same name ending it. within: `journey`, or `session` for what belongs to its session only.
-- Without an event, a path begins with each person's (or session's) first. step 1 is the edge nearest to the event. `top` edges of each step.
WITH
    (SELECT groupArray(word) FROM words_of(kind = 'event')) AS words,
    toUInt64(length(words) + 1) AS base
SELECT
    toUInt8(intDiv(edge, base * base)) AS step,
    if({direction:String} = 'before', words[edge % base], words[intDiv(edge, base) % base]) AS source,
    if({direction:String} = 'before', words[intDiv(edge, base) % base], words[edge % base]) AS target,
    -- A person is one row below, but for sessions.
    if({within:String} = 'session', uniqExactIf(who, {within:String} = 'session'), countIf(nth = 1)) AS people,
    count() AS paths
FROM
(
    SELECT
        who,
        arraySort(groupArray(turn + word)) AS events,
        arrayCompact(arrayMap(one -> toUInt32(one), if({direction:String} = 'before', arrayReverse(events), events))) AS names,
        -- Of each place, the one where the path that it is on began: another event of the name ends the one before.
        arrayFill(place -> place > 0, arrayMap(
            (word, place) -> if(if({event:String} = '', place = 1, word = indexOf(words, {event:String})), place, 0),
            names, arrayEnumerate(names))) AS begins,
        -- A step and its two ends, as one number.
        arrayFilter(edge -> edge > 0, arrayMap(
            (word, next, place, began) -> if(began > 0 AND place - began < {depth:UInt8}, ((place - began + 1) * base + word) * base + next, 0),
            arrayPopBack(names), arrayPopFront(names), arrayPopBack(arrayEnumerate(names)), arrayPopBack(begins))) AS edges
    FROM
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            turn,
            if({within:String} = 'session', session_id, '') AS part,
            toUInt32(if(name = '', transform(type, words, arrayEnumerate(words), 0), transform(name, words, arrayEnumerate(words), 0))) AS word
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({direction:String} NOT IN ('after', 'before'), 'direction is after or before')
            AND NOT throwIf({within:String} NOT IN ('journey', 'session'), 'within is journey or session')
            AND who != 0
    )
    GROUP BY who, part
)
ARRAY JOIN edges AS edge, arrayEnumerateUniq(edges) AS nth
GROUP BY edge
ORDER BY step, paths DESC, people DESC, source, target
LIMIT {top:UInt16} BY step
