-- name: funnel_ways
-- Which way each person went through a funnel: how far, when each step was done, and with which event it ended.
-- parameters: by String = stage, steps Array(String) = , order String = ordered, window_s UInt32 = 2592000, breakdown String = , left_to String = , since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: who UInt64, part String, names Array(String), reached UInt16, times Array(DateTime64(3, 'UTC')), last_turn Int256, went_to String, went_turn Int256
-- reads: journey_stages, journey_milestones, words_of, journey_events
--
-- by: `stage`, `milestone` or `event`; without steps, all stages or milestones in their order. order: `ordered`, other things may come
-- between; `strict`, no other step may; `any`. Each step is an event of its own; equal times are ordered by seq. breakdown: `device`,
-- `channel`, `source`, `campaign` or `country` of the first step's event. Of the ways a person went, the one that gets furthest counts,
-- of those the first to get there, and in it each step as late as can be. who: the person, or the node of the device; whoever did no step
-- is left out. names: the steps as asked; reached: how many of them. By `any`, an event that is two of the steps does both.
-- went_to, went_turn: by left_to = 'event', 'channel', 'device' or 'stage', the first event within `window_s` of the last step that has one and
-- is not that step again; empty and 0 without one, or without left_to.
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
    -- What may be a step, and for each a bit for every step that it is.
    arrayPushBack(arrayDistinct(wanted), '') AS labels,
    arrayMap(label -> arraySum(arrayMap((one, place) -> if(one = label, bitShiftLeft(toUInt64(1), place - 1), 0), wanted, arrayEnumerate(wanted))), labels) AS label_bits,
    (SELECT groupArray(word) FROM words_of(kind = if({breakdown:String} IN ('device', 'source', 'campaign', 'country'), {breakdown:String}, 'channel'))) AS parts,
    (SELECT groupArray(word) FROM words_of(kind = if({left_to:String} IN ('event', 'device', 'stage'), {left_to:String}, 'channel'))) AS words,
    -- The events of the steps, each with a bit for every step that it can be.
    done AS
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            turn,
            toUInt32(if({by:String} = 'milestone',
                arrayReduce('groupBitOr', arrayMap(one -> toUInt64(transform(toString(one), labels, label_bits, 0)), milestones)),
                transform(if({by:String} = 'event', name, journey_stage), labels, label_bits, 0))) AS bits,
            toUInt32(multiIf(
                {breakdown:String} = 'device', transform(device_type, parts, arrayEnumerate(parts), 0),
                {breakdown:String} = 'channel', transform(channel, parts, arrayEnumerate(parts), 0),
                {breakdown:String} = 'source', transform(campaign_source, parts, arrayEnumerate(parts), 0),
                {breakdown:String} = 'campaign', transform(campaign_name, parts, arrayEnumerate(parts), 0),
                {breakdown:String} = 'country', transform(country, parts, arrayEnumerate(parts), 0), 0)) AS part,
            toUInt32(multiIf(
                {left_to:String} = 'channel', transform(channel, words, arrayEnumerate(words), 0),
                {left_to:String} = 'device', transform(device_type, words, arrayEnumerate(words), 0),
                {left_to:String} = 'stage', transform(journey_stage, words, arrayEnumerate(words), 0),
                {left_to:String} = 'event', if(name = '', transform(type, words, arrayEnumerate(words), 0), transform(name, words, arrayEnumerate(words), 0)),
                0)) AS word
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({by:String} NOT IN ('stage', 'milestone', 'event'), 'by is stage, milestone or event')
            AND NOT throwIf({order:String} NOT IN ('ordered', 'strict', 'any'), 'order is ordered, strict or any')
            AND NOT throwIf({breakdown:String} NOT IN ('', 'device', 'channel', 'source', 'campaign', 'country'), 'breakdown is device, channel, source, campaign or country, or empty')
            AND NOT throwIf(length(wanted) > 32, 'a funnel has 32 steps at most')
            AND NOT throwIf({left_to:String} NOT IN ('', 'event', 'channel', 'device', 'stage'), 'left_to is event, channel, device or stage')
            AND NOT throwIf({left_to:String} != '' AND {order:String} = 'any', 'with left_to, order is ordered or strict')
            AND (bits != 0 OR {left_to:String} != '') AND who != 0
    ),
    ways AS
    (
        SELECT
            who,
            all_events,
            events,
            told,
            firsts,
            times,
            -- Step by step: of each event, when the way that ends with it as this step began (0: there is none), and which event came
            -- before it; and the first event by which most steps were done.
            arrayFold(
                (reached, step) -> (
                    (arrayMap(
                        (bits, at, began) -> if(bitTest(bits, step) AND began > 0 AND at - began <= window_ms, began, 0),
                        masks, times, arrayPushFront(arrayPopBack(
                            if({order:String} = 'strict', reached.1, arrayFill(began -> began > 0, reached.1))), 0)) AS begans),
                    arrayPushBack(reached.2, arrayPushFront(arrayPopBack(arrayFill(place -> place > 0,
                        arrayMap((began, place) -> if(began > 0, place, 0), reached.1, arrayEnumerate(masks)))), 0)),
                    if(arrayExists(began -> began > 0, begans), arrayPushBack(reached.3, toUInt32(arrayFirstIndex(began -> began > 0, begans))), reached.3)),
                range(1, possible),
                (arrayMap((bits, at) -> if(bitTest(bits, 0), at, 0), masks, times), CAST([], 'Array(Array(UInt32))'),
                    [toUInt32(arrayFirstIndex(bits -> bitTest(bits, 0), masks))])) AS reached,
            arrayReverse(arrayFold(
                (way, before) -> arrayPushBack(way, before[way[-1]]),
                arrayReverse(arraySlice(reached.2, 1, length(reached.3) - 1)), [reached.3[-1]])) AS in_order,
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
            events[way[-1]] AS last_turn,
            if({left_to:String} = '', toInt256(0), arrayFirst(
                (one, bits, turn) -> turn > last_turn AND toUInt32(one) > 0 AND NOT bitTest(toUInt32(bits), length(way) - 1)
                    AND toInt64(bitShiftRight(turn, 208)) - toInt64(bitShiftRight(last_turn, 208)) <= window_ms,
                told, all_events, told)) AS next
        FROM
        (
            SELECT
                who,
                arraySort(groupArray(turn + bits)) AS all_events,
                if({left_to:String} = '', all_events, arrayFilter(one -> toUInt32(one) != 0, all_events)) AS events,
                -- The same events with their words in place of the bits.
                arraySort(groupArrayIf(turn + word, {left_to:String} != '')) AS told,
                -- Which part an event is in is asked of one that begins a way.
                arraySort(groupArrayIf(turn + part, {breakdown:String} != '' AND ({order:String} = 'any' OR bitTest(bits, 0)))) AS firsts,
                arrayMap(one -> toInt64(bitShiftRight(one, 208)), events) AS times,
                arrayMap(one -> toUInt32(one), events) AS masks,
                length(wanted) AS steps,
                -- Steps without a gap that were done at all, in whatever order: nobody gets further.
                groupBitOr(toUInt64(bits)) AS all_bits,
                bitCount(bitXor(all_bits, all_bits + 1)) - 1 AS possible
            FROM done
            GROUP BY who
            HAVING {order:String} = 'any' OR bitTest(all_bits, 0)
        )
    )
SELECT
    who,
    if({breakdown:String} = '', '', arrayPushFront(parts, '')[toUInt32(arrayFirst(one -> one >= bitShiftLeft(bitShiftRight(events[way[1]], 32), 32), firsts)) + 1]) AS part,
    wanted AS names,
    toUInt16(length(way)) AS reached,
    arrayMap(place -> fromUnixTimestamp64Milli(times[place], 'UTC'), way) AS times,
    last_turn,
    if(next = 0, '', words[toUInt32(next)]) AS went_to,
    next AS went_turn
FROM ways
