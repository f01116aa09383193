-- name: funnel_exits
-- Where people leave a funnel, and to what: of those who did a step and not the next, what they did then.
-- parameters: by String = stage, steps Array(String) = , order String = ordered, window_s UInt32 = 2592000, breakdown String = , left_to String = event, top UInt16 = 10, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: part String, step UInt16, name String, went_to String, people UInt64, share Float64, p50_s Nullable(Float64)
-- reads: funnel_ways
--
-- The funnel is that of `funnel` with the same parameters, `ordered` or `strict`; the people of a step add up to those whom it loses there.
-- went_to: the name of the first event after their last step that is not that step again, or, by left_to = 'channel', 'device' or 'stage',
-- that of the first such event that has one. Empty: there was none within `window_s` of the last step. share: of those who left at
-- this step. p50_s: since the last step. The `top` of each step.
SELECT
    part,
    reached AS step,
    names[reached] AS name,
    went_to,
    count() AS people,
    people / sum(people) OVER (PARTITION BY part, step) AS share,
    if(went_to = '', NULL, quantileExact(0.5)((toInt64(bitShiftRight(went_turn, 208)) - toInt64(bitShiftRight(last_turn, 208))) / 1000)) AS p50_s
FROM funnel_ways(by = {by:String}, steps = {steps:Array(String)}, order = {order:String}, window_s = {window_s:UInt32},
    breakdown = {breakdown:String}, left_to = {left_to:String}, since = {since:String}, until = {until:String}, stitched = {stitched:UInt8})
WHERE reached < length(names)
    AND NOT throwIf({order:String} NOT IN ('ordered', 'strict'), 'order is ordered or strict')
    AND NOT throwIf({left_to:String} = '', 'left_to is event, channel, device or stage')
GROUP BY part, step, name, went_to
ORDER BY part, step, people DESC, went_to
LIMIT {top:UInt16} BY part, step
