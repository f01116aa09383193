-- name: stage_loops
-- To which stages people come back: how many, how often, after how long, and how often from a later stage.
-- parameters: since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: stage String, people UInt64, entries UInt64, looped UInt64, loops UInt64, looped_share Float64, p50_s Nullable(Float64), p90_s Nullable(Float64), regressed UInt64, regressions UInt64
-- reads: journey_stages, journey_events
--
-- An entry is an event in another stage than the event with a stage before it; events without a stage are passed over. A loop is an
-- entry into a stage where the person was before, and p50_s and p90_s are the seconds since they had left it. A regression is an entry
-- from a stage that journey.toml places later, whether they were there before or had skipped it.
WITH
    (SELECT arrayMap(one -> toString(one.2), arraySort(groupArray((position, stage)))) FROM journey_stages) AS known,
    entered AS
    (
        SELECT
            who,
            arrayFilter((one, place) -> place = 1 OR one.4 != events[place - 1].4, events, arrayEnumerate(events)) AS entries
        FROM
        (
            SELECT
                if({stitched:UInt8} = 1, person_id, device_node) AS who,
                arraySort(groupArray((toUnixTimestamp64Milli(occurred_at), seq, UUIDToNum(event_id), toString(journey_stage)))) AS events
            FROM journey_events
            WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
                AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
                AND journey_stage != '' AND who != 0
            GROUP BY who
        )
    )
SELECT
    came.1 AS stage,
    uniqExact(who) AS people,
    count() AS entries,
    uniqExactIf(who, came.2 >= 0) AS looped,
    countIf(came.2 >= 0) AS loops,
    looped / people AS looped_share,
    quantileExactIfOrNull(0.5)(came.2 / 1000, came.2 >= 0) AS p50_s,
    quantileExactIfOrNull(0.9)(came.2 / 1000, came.2 >= 0) AS p90_s,
    uniqExactIf(who, came.3) AS regressed,
    countIf(came.3) AS regressions
FROM
(
    SELECT
        who,
        arrayMap(one -> one.4, entries) AS stages,
        arrayMap(one -> one.1, entries) AS times,
        -- The stage, how long they had been away from it (-1: never there before), and whether they came from a later one.
        arrayMap((name, at, place) -> (
            name,
            if(indexOf(stages, name) = place, -1,
                at - times[arrayLastIndex((one, earlier) -> earlier < place AND one = name, stages, arrayEnumerate(stages)) + 1]),
            indexOf(known, name) > 0 AND indexOf(known, stages[place - 1]) > indexOf(known, name)
        ), stages, times, arrayEnumerate(stages)) AS came_all
    FROM entered
)
ARRAY JOIN came_all AS came
GROUP BY stage
ORDER BY if(indexOf(known, stage) = 0, 65535, indexOf(known, stage)), stage
