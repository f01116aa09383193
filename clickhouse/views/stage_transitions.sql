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
    stages[left_place] AS from_stage,
    stages[came_place] AS to_stage,
    multiIf(
        greatest(left_place, came_place) > length(known), 'unknown',
        came_place = left_place + 1, 'forward',
        came_place > left_place, 'skip', 'back') AS direction,
    uniqExact(who) AS people,
    count() AS transitions,
    quantileExact(0.5)(took_ms / 1000) AS p50_s,
    quantileExact(0.9)(took_ms / 1000) AS p90_s
FROM
(
    SELECT
        who,
        toUInt32(left) AS left_place,
        toUInt32(came) AS came_place,
        toInt64(bitShiftRight(came, 208)) - toInt64(bitShiftRight(left, 208)) AS took_ms
    FROM entered
    ARRAY JOIN arrayPopBack(entries) AS left, arrayPopFront(entries) AS came
)
GROUP BY left_place, came_place
ORDER BY people DESC, transitions DESC, from_stage, to_stage
