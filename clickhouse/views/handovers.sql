-- name: handovers
-- From which channel or device type people went on to which, in which stages, and how long it took.
-- parameters: by String = channel, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: from_stage String, to_stage String, came_from String, went_to String, people UInt64, handovers UInt64, p50_s Float64, p90_s Float64
-- reads: journey_stages, journey_events
--
-- A hand-over is an event on another channel (`by = 'device'`: another type of device, `both`: either) than the person's event before it,
-- passing over events that name none. Stages are the last known at each of the two events, that event's own included.
WITH
    -- The stages of journey.toml in their order, then what else is used as one: an event's stage is a place in this list, 0 for none.
    (SELECT arrayMap(one -> toString(one.2), arraySort(groupArray((position, stage)))) FROM journey_stages) AS known,
    arrayConcat(known, arraySort((SELECT groupUniqArrayIf(toString(stage), stage != '' AND NOT has(known, stage)) FROM journey_events))) AS stages,
    (channel, device_type) -> multiIf(
        {by:String} = 'channel', channel, {by:String} = 'device', device_type,
        channel = '' OR device_type = '', '', concat(device_type, ' ', channel)) AS named,
    (SELECT arrayFilter(one -> one != '', groupUniqArray(named(toString(channel), toString(device_type)))) FROM journey_events) AS words
SELECT
    if(hand.3 = 0, '', stages[hand.3]) AS from_stage,
    if(hand.4 = 0, '', stages[hand.4]) AS to_stage,
    words[hand.1] AS came_from,
    words[hand.2] AS went_to,
    uniqExact(who) AS people,
    count() AS handovers,
    quantileExact(0.5)(hand.5 / 1000) AS p50_s,
    quantileExact(0.9)(hand.5 / 1000) AS p90_s
FROM
(
    SELECT
        who,
        arraySort(groupArray(turn + word * (length(stages) + 1) + place)) AS all_events,
        -- Of each event, one that has the last known stage: itself, or one before it.
        arrayFill(one -> toUInt32(one) % (length(stages) + 1) != 0, all_events) AS all_staged,
        arrayFilter(one -> toUInt32(one) > length(stages), all_events) AS events,
        arrayMap(one -> intDiv(toUInt32(one), length(stages) + 1), events) AS all_words,
        arrayMap(one -> toUInt32(one) % (length(stages) + 1),
            arrayFilter((staged, one) -> toUInt32(one) > length(stages), all_staged, all_events)) AS places,
        arrayFilter(one -> one.1 != one.2, arrayMap(
            (came_from, went_to, from_place, to_place, left, came) -> (
                came_from, went_to, from_place, to_place, toInt64(bitShiftRight(came, 208)) - toInt64(bitShiftRight(left, 208))),
            arrayPopBack(all_words), arrayPopFront(all_words), arrayPopBack(places), arrayPopFront(places),
            arrayPopBack(events), arrayPopFront(events))) AS hands
    FROM
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            turn,
            toUInt32(transform(named(toString(channel), toString(device_type)), words, arrayEnumerate(words), 0)) AS word,
            toUInt32(transform(journey_stage, stages, arrayEnumerate(stages), 0)) AS place
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({by:String} NOT IN ('channel', 'device', 'both'), 'by is channel, device or both')
            AND who != 0
    )
    GROUP BY who
)
ARRAY JOIN hands AS hand
GROUP BY hand.1, hand.2, hand.3, hand.4
ORDER BY people DESC, handovers DESC, from_stage, to_stage, came_from, went_to
