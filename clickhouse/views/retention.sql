-- name: retention
-- Of the people who began in a period, how many came back in each period after it.
-- parameters: began String = , came_back String = , period_s UInt32 = 604800, periods UInt16 = 12, kind String = classic, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: cohort DateTime('UTC'), period UInt16, people UInt64, returned UInt64, share Float64
-- reads: journey_events
--
-- A person begins with the first event named `began`, or that reaches a milestone of that name; empty: with the first event. They come
-- back with an event after it named `came_back`, or reaching that milestone; empty: with any. period 0 is the first `period_s` from that
-- event on, each person counting from their own. kind: `classic`, in this period; `rolling`, in this period or later.
-- Only people whose period is over by `until` or now, whichever is earlier, are counted. A cohort: those who began in the same period,
-- counted from 1970-01-05, a Monday.
WITH
    toUnixTimestamp64Milli(least(parseDateTime64BestEffort({until:String}, 3, 'UTC'), now64(3, 'UTC'))) AS now_ms,
    toInt64({period_s:UInt32}) * 1000 AS period_ms
SELECT
    toDateTime(floor((began_ms - 345600000) / period_ms) * {period_s:UInt32} + 345600, 'UTC') AS cohort,
    toUInt16(number) AS period,
    count() AS people,
    countIf(if({kind:String} = 'rolling', arrayExists(one -> one >= number, visits), has(visits, number))) AS returned,
    returned / people AS share
FROM
(
    SELECT
        minIf(turn, begins) AS began,
        toInt64(bitShiftRight(began, 208)) AS began_ms,
        arrayDistinct(arrayMap(one -> intDiv(toInt64(bitShiftRight(one, 208)) - began_ms, period_ms),
            arrayFilter(one -> one > began, groupArrayIf(turn, comes_back)))) AS visits
    FROM
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            turn,
            {began:String} = '' OR name = {began:String} OR has(milestones, {began:String}) AS begins,
            {came_back:String} = '' OR name = {came_back:String} OR has(milestones, {came_back:String}) AS comes_back
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({kind:String} NOT IN ('classic', 'rolling'), 'kind is classic or rolling')
            AND (begins OR comes_back) AND who != 0
    )
    GROUP BY who
    HAVING max(begins)
)
ARRAY JOIN range({periods:UInt16}) AS number
WHERE began_ms + (number + 1) * period_ms <= now_ms
GROUP BY cohort, period
ORDER BY cohort, period
