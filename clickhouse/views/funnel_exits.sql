-- name: funnel_exits
-- Where people leave a funnel, and to what: of those who did a step and not the next, what they did then.
-- parameters: by String = stage, steps Array(String) = , order String = ordered, window_s UInt32 = 2592000, breakdown String = , left_to String = event, top UInt16 = 10, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: part String, step UInt16, name String, went_to String, people UInt64, share Float64, p50_s Nullable(Float64)
-- reads: funnel_ways, journey_events
--
-- The funnel is that of `funnel` with the same parameters, `ordered` or `strict`; the people of a step add up to those whom it loses there.
-- went_to: the name of the first event after their last step that is not that step again, or, by left_to = 'channel', 'device' or 'stage',
-- that of the first such event that has one. Empty: there was none within `window_s` of the last step. share: of those who left at
-- this step. p50_s: since the last step. The `top` of each step.
WITH
    (SELECT arrayPushFront(groupUniqArrayIf(what, what != ''), '') FROM (
        SELECT toString(multiIf(
            {left_to:String} = 'channel', channel, {left_to:String} = 'device', device_type, {left_to:String} = 'stage', journey_stage,
            name = '', toString(type), toString(name))) AS what
        FROM journey_events)) AS words,
    ways AS
    (
        SELECT who, part, reached, names[reached] AS name, last_turn, toInt64(bitShiftRight(last_turn, 208)) AS last_ms
        FROM funnel_ways(by = {by:String}, steps = {steps:Array(String)}, order = {order:String}, window_s = {window_s:UInt32},
            breakdown = {breakdown:String}, since = {since:String}, until = {until:String}, stitched = {stitched:UInt8})
        WHERE reached < length(names)
            AND NOT throwIf({order:String} NOT IN ('ordered', 'strict'), 'order is ordered or strict')
            AND NOT throwIf({left_to:String} NOT IN ('event', 'channel', 'device', 'stage'), 'left_to is event, channel, device or stage')
    )
SELECT
    part,
    reached AS step,
    step_name AS name,
    words[if(next = 0, 1, toUInt32(next))] AS went_to,
    count() AS people,
    people / sum(people) OVER (PARTITION BY part, step) AS share,
    if(went_to = '', NULL, quantileExact(0.5)((toInt64(bitShiftRight(next, 208)) - last_ms) / 1000)) AS p50_s
FROM
(
    SELECT
        who,
        any(ways.part) AS part,
        any(ways.reached) AS reached,
        any(ways.name) AS step_name,
        any(ways.last_ms) AS last_ms,
        minIf(
            happened.turn + happened.word,
            happened.word > 1 AND happened.turn > ways.last_turn
                AND toInt64(bitShiftRight(happened.turn, 208)) - ways.last_ms <= toInt64({window_s:UInt32}) * 1000
                AND NOT multiIf({by:String} = 'event', happened.name = ways.name, {by:String} = 'stage', happened.journey_stage = ways.name,
                    has(happened.milestones, ways.name))) AS next
    FROM
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            turn,
            name,
            journey_stage,
            milestones,
            toUInt32(transform(toString(multiIf(
                {left_to:String} = 'channel', channel, {left_to:String} = 'device', device_type, {left_to:String} = 'stage', journey_stage,
                name = '', toString(type), toString(name))), words, arrayEnumerate(words), 0)) AS word
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
    ) AS happened
    INNER JOIN ways USING (who)
    GROUP BY who
)
GROUP BY part, step, name, went_to
ORDER BY part, step, people DESC, went_to
LIMIT {top:UInt16} BY part, step
