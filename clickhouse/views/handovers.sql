-- name: handovers
-- From which channel or device type people went on to which, in which stages, and how long it took.
-- parameters: by String = channel, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: from_stage String, to_stage String, came_from String, went_to String, people UInt64, handovers UInt64, p50_s Float64, p90_s Float64
-- reads: journey_stages, words_of, journey_events
--
-- A hand-over is an event on another channel (`by = 'device'`: another type of device, `both`: either) than the person's event before it,
-- passing over events that name none. Stages are the last known at each of the two events, that event's own included.
WITH
    -- The stages of journey.toml in their order, then what else is used as one: an event's stage is a place in this list, 0 for none.
    (SELECT arrayMap(one -> toString(one.2), arraySort(groupArray((position, stage)))) FROM journey_stages) AS known,
    arrayDistinct(arrayConcat(known, (SELECT groupArray(word) FROM words_of(kind = 'stage')))) AS stages,
    (SELECT groupArray(word) FROM words_of(kind = 'channel')) AS channels,
    (SELECT groupArray(word) FROM words_of(kind = 'device')) AS types,
    multiIf({by:String} = 'channel', channels, {by:String} = 'device', types,
        arrayFlatten(arrayMap(type -> arrayMap(channel -> concat(type, ' ', channel), channels), types))) AS words,
    toUInt64(length(stages) + 1) AS stage_base,
    toUInt64(length(words) + 1) AS word_base
SELECT
    if(from_place = 0, '', stages[from_place]) AS from_stage,
    if(to_place = 0, '', stages[to_place]) AS to_stage,
    words[intDiv(hand, stage_base * stage_base * word_base)] AS came_from,
    words[intDiv(hand, stage_base * stage_base) % word_base] AS went_to,
    countIf(nth = 1) AS people,
    count() AS handovers,
    quantileExact(0.5)(took_ms / 1000) AS p50_s,
    quantileExact(0.9)(took_ms / 1000) AS p90_s
FROM
(
    SELECT
        hand,
        nth,
        took_ms,
        intDiv(hand, stage_base) % stage_base AS from_place,
        hand % stage_base AS to_place
    FROM
    (
        SELECT
            arraySort(groupArray(turn + word * stage_base + place)) AS all_events,
            -- Of each event, one that has the last known stage: itself, or one before it.
            arrayFill(one -> toUInt32(one) % stage_base != 0, all_events) AS all_staged,
            arrayFilter(one -> toUInt32(one) >= stage_base, all_events) AS events,
            arrayMap(one -> intDiv(toUInt32(one), stage_base), events) AS all_words,
            arrayMap(one -> toUInt32(one) % stage_base,
                arrayFilter((staged, one) -> toUInt32(one) >= stage_base, all_staged, all_events)) AS places,
            arrayMap(one -> toInt64(bitShiftRight(one, 208)), events) AS times,
            -- From where to where and in which stages, as one number; 0 for no hand-over.
            arrayMap(
                (came_from, went_to, from_place, to_place) ->
                    if(came_from = went_to, 0, ((came_from * word_base + went_to) * stage_base + from_place) * stage_base + to_place),
                arrayPopBack(all_words), arrayPopFront(all_words), arrayPopBack(places), arrayPopFront(places)) AS hands,
            arrayMap((came, left) -> came - left, arrayPopFront(times), arrayPopBack(times)) AS tooks
        FROM
        (
            SELECT
                if({stitched:UInt8} = 1, person_id, device_node) AS who,
                turn,
                toUInt32(transform(channel, channels, arrayEnumerate(channels), 0)) AS channel_word,
                toUInt32(transform(device_type, types, arrayEnumerate(types), 0)) AS type_word,
                toUInt32(multiIf({by:String} = 'channel', channel_word, {by:String} = 'device', type_word,
                    channel_word = 0 OR type_word = 0, 0, (type_word - 1) * length(channels) + channel_word)) AS word,
                toUInt32(transform(journey_stage, stages, arrayEnumerate(stages), 0)) AS place
            FROM journey_events
            WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
                AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
                AND NOT throwIf({by:String} NOT IN ('channel', 'device', 'both'), 'by is channel, device or both')
                AND who != 0
        )
        GROUP BY who
    )
    ARRAY JOIN hands AS hand, tooks AS took_ms, arrayEnumerateUniq(hands) AS nth
    WHERE hand != 0
)
GROUP BY hand, from_place, to_place
ORDER BY people DESC, handovers DESC, from_stage, to_stage, came_from, went_to
