-- name: stage_now
-- In which stage people are now, and since when.
-- parameters: since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: stage String, people UInt64, share Float64, p50_s Float64, p90_s Float64
-- reads: journey_stages, journey_events
--
-- The stage of a person's last event with one; p50_s and p90_s are seconds since they entered it, up to `until` or now, whichever is
-- earlier. An empty stage: people none of whose events has a stage. Stages in their order, then those that journey.toml does not have.
WITH
    -- The stages of journey.toml in their order, then what else is used as one; an event's is a place in this list.
    (SELECT arrayMap(one -> toString(one.2), arraySort(groupArray((position, stage)))) FROM journey_stages) AS known,
    arrayConcat(known, arraySort((SELECT groupUniqArrayIf(toString(stage), stage != '' AND NOT has(known, stage)) FROM journey_events))) AS stages,
    toUnixTimestamp64Milli(least(parseDateTime64BestEffort({until:String}, 3, 'UTC'), now64(3, 'UTC'))) AS now_ms
SELECT
    if(last = 0, '', stages[last]) AS stage,
    count() AS people,
    people / sum(people) OVER () AS share,
    quantileExact(0.5)((now_ms - entered) / 1000) AS p50_s,
    quantileExact(0.9)((now_ms - entered) / 1000) AS p90_s
FROM
(
    SELECT
        arraySort(groupArrayIf(turn + place, place > 0)) AS events,
        toUInt32(events[-1]) AS last,
        -- The event after the last one in another stage; without a stage, the first event.
        toInt64(bitShiftRight(if(empty(events), min(turn), events[arrayLastIndex(one -> toUInt32(one) != last, events) + 1]), 208)) AS entered
    FROM
    (
        SELECT if({stitched:UInt8} = 1, person_id, device_node) AS who, turn, toUInt32(transform(journey_stage, stages, arrayEnumerate(stages), 0)) AS place
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
        AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND who != 0
    )
    GROUP BY who
)
GROUP BY last
ORDER BY if(last = 0, 2 * length(known) + 1, 2 * last)
