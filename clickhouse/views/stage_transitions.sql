-- name: stage_transitions
-- From which stage to which people went, forward, skipping stages or back, and how long they had been in the stage they left.
-- parameters: since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: from_stage String, to_stage String, direction String, people UInt64, transitions UInt64, p50_s Float64, p90_s Float64
-- reads: journey_stages, journey_events
--
-- A transition is an event in another stage than the event with a stage before it; events without a stage are passed over. Who goes round in
-- a loop is counted once in people and every time in transitions. direction: `forward` to the next stage, `skip` further on, `back`,
-- or `unknown` where journey.toml does not have one of the two.
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
    left.4 AS from_stage,
    came.4 AS to_stage,
    multiIf(
        indexOf(known, from_stage) = 0 OR indexOf(known, to_stage) = 0, 'unknown',
        indexOf(known, to_stage) = indexOf(known, from_stage) + 1, 'forward',
        indexOf(known, to_stage) > indexOf(known, from_stage), 'skip', 'back') AS direction,
    uniqExact(who) AS people,
    count() AS transitions,
    quantileExact(0.5)((came.1 - left.1) / 1000) AS p50_s,
    quantileExact(0.9)((came.1 - left.1) / 1000) AS p90_s
FROM entered
ARRAY JOIN arrayPopBack(entries) AS left, arrayPopFront(entries) AS came
GROUP BY from_stage, to_stage
ORDER BY people DESC, transitions DESC, from_stage, to_stage
