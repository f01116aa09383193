-- name: attribution_paths
-- By which channels, sources or campaigns, in which order, people came to a conversion, and the paths that led to none.
-- parameters: conversion String = , to_stage String = purchase, by String = channel, lookback_s UInt32 = 2592000, half_life_s UInt32 = 604800, top UInt32 = 100, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: path Array(String), converted UInt8, people UInt64, paths UInt64, p50_s Float64, p90_s Float64, time_decay Array(Float64)
-- reads: journey_events
--
-- A conversion: an event named `conversion`, or that reaches the milestone of that name; empty: coming to the stage `to_stage` from another
-- or from none. Its path: the touches before it, since the person's conversion before and within `lookback_s`. What comes after a person's
-- last conversion is a path that did not convert, within `lookback_s` of its last touch. A touch: an event with a channel (source,
-- campaign) that is no conversion itself; the same one in a row is one, at its last time. p50_s, p90_s: from the first touch to the end.
-- time_decay: conversions by touch, each touch worth half of one `half_life_s` later. `since` is about the ends: touches are read from
-- `lookback_s` before it.
SELECT
    path,
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
        part[-1].3 AS converted,
        arrayFilter(one -> one.2 != '' AND NOT one.3, part) AS all_touches,
        if(converted, part[-1].1, all_touches[-1].1) AS end_ms,
        arrayFilter(one -> end_ms - one.1 <= toInt64({lookback_s:UInt32}) * 1000, all_touches) AS near,
        arrayFilter((one, next) -> one.2 != next, near, arrayResize(arrayMap(one -> one.2, arrayPopFront(near)), length(near), '')) AS touches,
        arrayMap(one -> one.2, touches) AS path,
        if(empty(near), 0, end_ms - near[1].1) AS took_ms,
        -- Counted from the last touch, so that it is never nothing by nothing.
        arrayMap(one -> exp2((one.1 - touches[-1].1) / 1000 / {half_life_s:UInt32}), touches) AS weights,
        arraySum(weights) AS weights_sum
    FROM
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            -- The last is 2 for what converts, 1 for what is in another stage.
            arraySort(groupArray((
                toUnixTimestamp64Milli(occurred_at), seq, UUIDToNum(event_id),
                toString(multiIf({by:String} = 'channel', channel, {by:String} = 'source', campaign_source, campaign_name)),
                if({conversion:String} = '', (journey_stage != '') + (journey_stage = {to_stage:String}),
                    2 * (name = {conversion:String} OR has(milestones, {conversion:String})))))) AS events,
            arrayFill(mark -> mark > 0, arrayMap(one -> one.5, events)) AS marks,
            arrayMap(
                (one, before) -> (one.1, one.4, one.5 = 2 AND (before != 2 OR {conversion:String} != '')),
                events, arrayPushFront(arrayPopBack(marks), 0)) AS steps
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC') - toIntervalSecond({lookback_s:UInt32})
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({by:String} NOT IN ('channel', 'source', 'campaign'), 'by is channel, source or campaign')
            AND (
                if({conversion:String} = '', journey_stage != '', name = {conversion:String} OR has(milestones, {conversion:String}))
                OR multiIf({by:String} = 'channel', channel, {by:String} = 'source', campaign_source, campaign_name) != '')
            AND who != 0
        GROUP BY who
    )
    ARRAY JOIN arrayReverseSplit(one -> one.3, steps) AS part
    WHERE (converted OR notEmpty(touches)) AND end_ms >= toUnixTimestamp64Milli(parseDateTime64BestEffort({since:String}, 3, 'UTC'))
)
GROUP BY path, converted
ORDER BY converted DESC, paths DESC, path
LIMIT {top:UInt32}
