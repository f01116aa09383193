-- name: funnel_ways
-- Which way each person went through a funnel: how far, when each step was done, and with which event it ended.
-- parameters: by String = stage, steps Array(String) = , order String = ordered, window_s UInt32 = 2592000, breakdown String = , since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: who UInt64, part String, names Array(String), reached UInt16, times Array(DateTime64(3, 'UTC')), last_seq UInt64, last_event UUID
-- reads: journey_stages, journey_milestones, journey_events
--
-- by: `stage`, `milestone` or `event`; without steps, all stages or milestones in their order. order: `ordered`, other things may come
-- between; `strict`, no other step may; `any`. Each step is an event of its own; equal times are ordered by seq. breakdown: `device`,
-- `channel`, `source`, `campaign` or `country` of the first step's event. Of the ways a person went, the one that gets furthest counts,
-- of those the first to get there, and in it each step as late as can be. who: the person, or the node of the device; whoever did no step
-- is left out. names: the steps as asked; reached: how many of them. By `any`, an event that is two of the steps does both.
WITH
    -- As a subquery it is computed once; as an expression it would be once for each place that names it.
    (
        SELECT if({order:String} = 'any', arrayDistinct(given), given)
        FROM
        (
            SELECT multiIf(
                notEmpty({steps:Array(String)}), {steps:Array(String)},
                {by:String} = 'stage', (SELECT arrayMap(one -> toString(one.2), arraySort(groupArray((position, stage)))) FROM journey_stages),
                {by:String} = 'milestone', (SELECT arrayMap(one -> one.2, arraySort(groupArray((position, milestone)))) FROM journey_milestones),
                []) AS given
        )
    ) AS wanted,
    toInt64({window_s:UInt32}) * 1000 AS window_ms,
    -- The events of the steps, each with a bit for every step that it can be.
    done AS
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            toUnixTimestamp64Milli(occurred_at) AS at,
            seq,
            UUIDToNum(event_id) AS made,
            arraySum(arrayMap((one, place) -> if(
                multiIf({by:String} = 'event', name = one, {by:String} = 'stage', journey_stage = one, has(milestones, one)),
                bitShiftLeft(toUInt64(1), place - 1), 0), wanted, arrayEnumerate(wanted))) AS bits,
            toString(multiIf(
                {breakdown:String} = 'device', device_type, {breakdown:String} = 'channel', channel,
                {breakdown:String} = 'source', campaign_source, {breakdown:String} = 'campaign', campaign_name,
                {breakdown:String} = 'country', country, '')) AS part
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({by:String} NOT IN ('stage', 'milestone', 'event'), 'by is stage, milestone or event')
            AND NOT throwIf({order:String} NOT IN ('ordered', 'strict', 'any'), 'order is ordered, strict or any')
            AND NOT throwIf({breakdown:String} NOT IN ('', 'device', 'channel', 'source', 'campaign', 'country'), 'breakdown is device, channel, source, campaign or country, or empty')
            AND multiIf({by:String} = 'event', has(wanted, name), {by:String} = 'stage', has(wanted, journey_stage), hasAny(milestones, wanted))
            AND who != 0
    ),
    ways AS
    (
        SELECT
            who,
            events,
            times,
            -- Step by step: for each event, the way that ends with it as this step; and the first of the longest ways so far.
            arrayFold(
                (reached, step) -> (
                    (arrayMap(
                        (bits, at, place, before) -> if(
                            bitTest(bits, step) AND notEmpty(before) AND at - times[before[1]] <= window_ms,
                            arrayPushBack(before, place), emptyArrayUInt32()),
                        masks, times, arrayEnumerate(masks),
                        arrayPushFront(arrayPopBack(
                            if({order:String} = 'strict', reached.1, arrayFill(way -> notEmpty(way), reached.1))), emptyArrayUInt32())) AS ways),
                    if(arrayExists(way -> notEmpty(way), ways), arrayFirst(way -> notEmpty(way), ways), reached.2)),
                range(1, steps), (firsts, arrayFirst(way -> notEmpty(way), firsts))).2 AS in_order,
            -- The first event by which most of the steps were done within the window that ends with it, and when each was done last.
            arrayFold(
                (counts, step) -> arrayMap(
                    (number, at, last) -> toUInt32(number + (at - last <= window_ms)), counts, times,
                    arrayFill(last -> last > -1000000000000000, arrayMap((bits, at) -> if(bitTest(bits, step), at, -1000000000000000), masks, times))),
                range(steps), arrayMap(one -> toUInt32(0), masks)) AS counts,
            indexOf(counts, arrayMax(counts)) AS end,
            arraySort(arrayFilter(last -> last > 0 AND times[end] - times[last] <= window_ms,
                arrayMap(step -> toUInt32(arrayLastIndex((bits, number) -> bitTest(bits, step) AND number <= end, masks, arrayEnumerate(masks))),
                    range(steps)))) AS in_any,
            if({order:String} = 'any', in_any, in_order) AS way,
            steps
        FROM
        (
            SELECT
                who,
                arraySort(groupArray((at, seq, made, bits, part))) AS events,
                arrayMap(one -> one.1, events) AS times,
                arrayMap(one -> one.4, events) AS masks,
                arrayMap((bits, place) -> if(bitTest(bits, 0), [place], emptyArrayUInt32()), masks, arrayEnumerate(masks)) AS firsts,
                length(wanted) AS steps
            FROM done
            GROUP BY who
            HAVING {order:String} = 'any' OR bitTest(groupBitOr(bits), 0)
        )
    )
SELECT
    who,
    events[way[1]].5 AS part,
    wanted AS names,
    toUInt16(length(way)) AS reached,
    arrayMap(place -> fromUnixTimestamp64Milli(times[place], 'UTC'), way) AS times,
    events[way[-1]].2 AS last_seq,
    toUUID(UUIDNumToString(events[way[-1]].3)) AS last_event
FROM ways
