-- name: stuck
-- Of the people who reached a milestone, who reached the next one in time, late, or is stuck beyond its deadline.
-- parameters: since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: after_milestone String, milestone String, within_s UInt32, people UInt64, in_time UInt64, late UInt64, waiting UInt64, stuck UInt64, stuck_share Float64
-- reads: journey_milestones, journey_events
--
-- From the first time of a milestone to the first event after it that reaches the next, for milestones with a deadline (`within`).
-- Who has not reached it is `waiting` until the deadline and `stuck` after it, as of `until` or now, whichever is earlier.
WITH
    (SELECT arrayMap(one -> (one.2, one.3), arraySort(groupArray((position, milestone, within_s)))) FROM journey_milestones) AS known,
    arrayPushFront(arrayMap(one -> one.1, known), '') AS names,
    toUnixTimestamp64Milli(least(parseDateTime64BestEffort({until:String}, 3, 'UTC'), now64(3, 'UTC'))) AS now_ms
SELECT
    known[place - 1].1 AS after_milestone,
    known[place].1 AS milestone,
    known[place].2 AS within_s,
    count() AS people,
    countIf(ended != 0 AND took_ms <= within_s * 1000) AS in_time,
    countIf(ended != 0 AND took_ms > within_s * 1000) AS late,
    countIf(ended = 0 AND now_ms - began_ms <= within_s * 1000) AS waiting,
    countIf(ended = 0 AND now_ms - began_ms > within_s * 1000) AS stuck,
    stuck / people AS stuck_share
FROM
(
    SELECT
        place,
        arrayFirst(one -> toUInt32(one) = place - 1, events) AS began,
        arrayFirst(one -> toUInt32(one) = place AND bitShiftRight(one, 32) > bitShiftRight(began, 32), events) AS ended,
        toInt64(bitShiftRight(began, 208)) AS began_ms,
        toInt64(bitShiftRight(ended, 208)) - began_ms AS took_ms
    FROM
    (
        -- Each milestone of an event by itself, with the milestone's place.
        SELECT arraySort(groupArray(turn + toUInt32(transform(toString(milestone), names, range(length(names)), 0)))) AS events
        FROM
        (
            SELECT if({stitched:UInt8} = 1, person_id, device_node) AS who, turn, milestones
            FROM journey_events
            WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
                AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
                AND notEmpty(milestones) AND who != 0
        )
        ARRAY JOIN milestones AS milestone
        GROUP BY who
    )
    ARRAY JOIN arrayFilter(one -> one > 1 AND known[one].2 > 0, arrayEnumerate(known)) AS place
    WHERE began != 0
)
GROUP BY place
ORDER BY place
