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
    -- The stages of journey.toml in their order, then what else is used as one: an event's stage is a place in this list, 0 for none.
    (SELECT arrayMap(one -> toString(one.2), arraySort(groupArray((position, stage)))) FROM journey_stages) AS known,
    arrayConcat(known, arraySort((SELECT groupUniqArrayIf(toString(stage), stage != '' AND NOT has(known, stage)) FROM journey_events))) AS stages,
    -- Each entry of a stage as a turn with the stage's place.
    entered AS
    (
        SELECT
            who,
            arraySort(groupArray(turn + place)) AS events,
            arrayMap(one -> toUInt32(one), events) AS places,
            arrayFilter((one, place, before) -> place != before, events, places, arrayPushFront(arrayPopBack(places), 0)) AS entries
        FROM
        (
            SELECT if({stitched:UInt8} = 1, person_id, device_node) AS who, turn, toUInt32(transform(journey_stage, stages, arrayEnumerate(stages), 0)) AS place
            FROM journey_events
            WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
                AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
                AND place != 0 AND who != 0
        )
        GROUP BY who
    )
SELECT
    stages[came.1] AS stage,
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
        arrayMap(one -> toUInt32(one), entries) AS places,
        -- Stage by stage, so that an entry's last one into the same stage stands right before it.
        arraySort(arrayMap(
            (one, place, before, next) -> (place, toInt64(bitShiftRight(one, 208)), one, before, toInt64(bitShiftRight(next, 208))),
            entries, places, arrayPushFront(arrayPopBack(places), 0), arrayPushBack(arrayPopFront(entries), 0))) AS by_stage,
        -- The stage, how long they had been away from it (-1: never there before), and whether they came from a later one.
        arrayMap(
            (one, last) -> (one.1, if(one.1 = last.1, one.2 - last.5, -1), one.4 > one.1 AND one.4 <= length(known)),
            by_stage, arrayPushFront(arrayPopBack(by_stage), (0, 0, 0, 0, 0))) AS came_all
    FROM entered
)
ARRAY JOIN came_all AS came
GROUP BY came.1
ORDER BY came.1
