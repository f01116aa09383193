-- name: stage_now
-- In which stage people are now, and since when.
-- parameters: since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: stage String, people UInt64, share Float64, p50_s Float64, p90_s Float64
-- reads: journey_stages, journey_events
--
-- The stage of a person's last event with one; p50_s and p90_s are seconds since they entered it, up to `until` or now, whichever is
-- earlier. An empty stage: people none of whose events has a stage. Stages in their order, then those that journey.toml does not have.
WITH
    (SELECT arrayMap(one -> toString(one.2), arraySort(groupArray((position, stage)))) FROM journey_stages) AS known,
    toUnixTimestamp64Milli(least(parseDateTime64BestEffort({until:String}, 3, 'UTC'), now64(3, 'UTC'))) AS now_ms
SELECT
    stage,
    count() AS people,
    people / sum(people) OVER () AS share,
    quantileExact(0.5)((now_ms - entered) / 1000) AS p50_s,
    quantileExact(0.9)((now_ms - entered) / 1000) AS p90_s
FROM
(
    SELECT
        arraySort(groupArrayIf((toUnixTimestamp64Milli(occurred_at), seq, UUIDToNum(event_id), toString(journey_stage)), journey_stage != '')) AS events,
        events[-1].4 AS stage,
        -- The event after the last one in another stage; without a stage, the first event.
        if(empty(events), min(toUnixTimestamp64Milli(occurred_at)), events[arrayLastIndex(one -> one.4 != stage, events) + 1].1) AS entered
    FROM journey_events
    WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
        AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
        AND if({stitched:UInt8} = 1, person_id, device_node) != 0
    GROUP BY if({stitched:UInt8} = 1, person_id, device_node)
)
GROUP BY stage
ORDER BY if(indexOf(known, stage) = 0, 65535, indexOf(known, stage)), stage
