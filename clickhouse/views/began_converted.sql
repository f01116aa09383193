-- name: began_converted
-- On which channel or device type people began a stage and on which they first came to a later one, and how long it took.
-- parameters: from_stage String = consideration, to_stage String = purchase, by String = channel, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: began_on String, converted_on String, people UInt64, share Float64, p50_s Nullable(Float64), p90_s Nullable(Float64)
-- reads: journey_events
--
-- From a person's first event in `from_stage` to the first event after it in `to_stage`. An empty converted_on: those who have not come to it,
-- or came to it where no channel was named.
WITH
    (channel, device_type) -> multiIf(
        {by:String} = 'channel', channel, {by:String} = 'device', device_type,
        channel = '' OR device_type = '', '', concat(device_type, ' ', channel)) AS named,
    (SELECT groupUniqArray(named(toString(channel), toString(device_type))) FROM journey_events) AS words
SELECT
    words[began_word] AS began_on,
    if(converted_word = 0, '', words[converted_word]) AS converted_on,
    count() AS people,
    people / sum(people) OVER (PARTITION BY began_on) AS share,
    if(converted_on = '', NULL, quantileExact(0.5)(took_ms / 1000)) AS p50_s,
    if(converted_on = '', NULL, quantileExact(0.9)(took_ms / 1000)) AS p90_s
FROM
(
    SELECT
        -- The number of a word, twice, and 1 for what is in the later stage.
        minIf(turn + word * 2 + is_to, is_from) AS began,
        arraySort(groupArrayIf(turn + word * 2 + 1, is_to)) AS ends,
        arrayFirst(one -> one > began, ends) AS converted,
        intDiv(toUInt32(began), 2) AS began_word,
        intDiv(toUInt32(converted), 2) AS converted_word,
        toInt64(bitShiftRight(converted, 208)) - toInt64(bitShiftRight(began, 208)) AS took_ms
    FROM
    (
        SELECT
            if({stitched:UInt8} = 1, person_id, device_node) AS who,
            turn,
            toUInt32(transform(named(toString(channel), toString(device_type)), words, arrayEnumerate(words), 0)) AS word,
            journey_stage = {to_stage:String} AS is_to,
            journey_stage = {from_stage:String} AS is_from
        FROM journey_events
        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({by:String} NOT IN ('channel', 'device', 'both'), 'by is channel, device or both')
            AND (is_from OR is_to) AND who != 0
    )
    GROUP BY who
    HAVING max(is_from)
)
GROUP BY began_on, converted_on
ORDER BY people DESC, began_on, converted_on
