-- name: attribution_paths
-- By which channels, sources or campaigns, in which order, people came to a conversion, and the paths that led to none.
-- parameters: conversion String = , to_stage String = purchase, by String = channel, lookback_s UInt32 = 2592000, half_life_s UInt32 = 604800, top UInt32 = 100, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: path Array(String), converted UInt8, people UInt64, paths UInt64, p50_s Float64, p90_s Float64, time_decay Array(Float64)
-- reads: words_of, journey_events
--
-- A conversion: an event named `conversion`, or that reaches the milestone of that name; empty: coming to the stage `to_stage` from another
-- or from none. Its path: the touches before it, since the person's conversion before and within `lookback_s`. What comes after a person's
-- last conversion is a path that did not convert, within `lookback_s` of its last touch. A touch: an event with a channel (source,
-- campaign) that is no conversion itself; the same one in a row is one, at its last time. p50_s, p90_s: from the first touch to the end.
-- time_decay: conversions by touch, each touch worth half of one `half_life_s` later. `since` is about the ends: touches are read from
-- `lookback_s` before it.
WITH
    (SELECT groupArray(word) FROM words_of(kind = if({by:String} IN ('source', 'campaign'), {by:String}, 'channel'))) AS words
SELECT
    arrayMap(word -> words[word], way) AS path,
    converted,
    uniqExact(who) AS people,
    count() AS paths,
    quantileExact(0.5)(took_ms / 1000) AS p50_s,
    quantileExact(0.9)(took_ms / 1000) AS p90_s,
    sumForEach(arrayMap(weight -> converted * weight / weights_sum, weights)) AS time_decay
FROM
(
    SELECT
        who,
        toUInt8(part[-1] % 2) AS converted,
        -- Milliseconds, from here on; words beside them.
        arrayFilter(one -> toUInt32(one) > 1 AND toUInt32(one) % 2 = 0, part) AS all_touches,
        toInt64(bitShiftRight(if(converted, part[-1], all_touches[-1]), 32)) AS end_ms,
        arrayFilter(one -> end_ms - toInt64(bitShiftRight(one, 32)) <= toInt64({lookback_s:UInt32}) * 1000, all_touches) AS near,
        arrayMap(one -> intDiv(toUInt32(one), 2), near) AS near_words,
        arrayFilter((one, word, next) -> word != next, near, near_words, arrayResize(arrayPopFront(near_words), length(near_words))) AS touches,
        arrayMap(one -> intDiv(toUInt32(one), 2), touches) AS way,
        arrayMap(one -> toInt64(bitShiftRight(one, 32)), touches) AS times,
        if(empty(near), 0, end_ms - toInt64(bitShiftRight(near[1], 32))) AS took_ms,
        -- Counted from the last touch, so that it is never nothing by nothing.
        arrayMap(time -> exp2((time - times[-1]) / 1000 / {half_life_s:UInt32}), times) AS weights,
        arraySum(weights) AS weights_sum
    FROM
    (
        SELECT
            who,
            arraySort(groupArray(turn + word * 4 + mark)) AS events,
            -- What each event is: 0 without a stage, 1 in another stage, 2 what converts; and what was before it.
            arrayMap(one -> toUInt32(one) % 4, arrayFill(one -> toUInt32(one) % 4 > 0, events)) AS marks,
            -- Milliseconds with the word, and 1 for what is a conversion.
            arrayMap(
                (one, before) -> toInt128(bitShiftLeft(bitShiftRight(one, 208), 32)) + intDiv(toUInt32(one), 4) * 2
                    + (toUInt32(one) % 4 = 2 AND (before != 2 OR {conversion:String} != '')),
                events, arrayPushFront(arrayPopBack(marks), 0)) AS steps
        FROM
        (
            SELECT
                if({stitched:UInt8} = 1, person_id, device_node) AS who,
                turn,
                toUInt32(transform(multiIf({by:String} = 'channel', channel, {by:String} = 'source', campaign_source, campaign_name), words, arrayEnumerate(words), 0)) AS word,
                if({conversion:String} = '', (journey_stage != '') + (journey_stage = {to_stage:String}),
                    2 * (name = {conversion:String} OR has(milestones, {conversion:String}))) AS mark
            FROM journey_events
            WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC') - toIntervalSecond({lookback_s:UInt32})
                AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
                AND NOT throwIf({by:String} NOT IN ('channel', 'source', 'campaign'), 'by is channel, source or campaign')
                AND (mark != 0 OR word != 0) AND who != 0
        )
        GROUP BY who
    )
    ARRAY JOIN arrayReverseSplit(one -> one % 2 = 1, steps) AS part
    WHERE (converted OR notEmpty(touches)) AND end_ms >= toUnixTimestamp64Milli(parseDateTime64BestEffort({since:String}, 3, 'UTC'))
)
GROUP BY way, converted
ORDER BY converted DESC, paths DESC, path
LIMIT {top:UInt32}
