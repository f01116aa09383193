-- name: began_converted
-- On which channel or device type people began a stage and on which they first came to a later one, and how long it took.
-- parameters: from_stage String = consideration, to_stage String = purchase, by String = channel, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: began_on String, converted_on String, people UInt64, share Float64, p50_s Nullable(Float64), p90_s Nullable(Float64)
-- reads: journey_events
--
-- From a person's first event in `from_stage` to the first event after it in `to_stage`. An empty converted_on: those who have not come to it,
-- or came to it where no channel was named.
SELECT
    began.4 AS began_on,
    if(converted.5, converted.4, '') AS converted_on,
    count() AS people,
    people / sum(people) OVER (PARTITION BY began_on) AS share,
    if(converted_on = '', NULL, quantileExact(0.5)((converted.1 - began.1) / 1000)) AS p50_s,
    if(converted_on = '', NULL, quantileExact(0.9)((converted.1 - began.1) / 1000)) AS p90_s
FROM
(
    SELECT
        arraySort(groupArray((
            toUnixTimestamp64Milli(occurred_at), seq, UUIDToNum(event_id),
            toString(multiIf(
                {by:String} = 'channel', channel, {by:String} = 'device', device_type,
                channel = '' OR device_type = '', '', concat(device_type, ' ', channel))),
            journey_stage = {to_stage:String}))) AS events,
        arrayFirst(one -> NOT one.5, events) AS began,
        arrayFirst(one -> one.5 AND (one.1, one.2, one.3) > (began.1, began.2, began.3), events) AS converted
    FROM journey_events
    WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
        AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
        AND NOT throwIf({by:String} NOT IN ('channel', 'device', 'both'), 'by is channel, device or both')
        AND journey_stage IN ({from_stage:String}, {to_stage:String})
        AND if({stitched:UInt8} = 1, person_id, device_node) != 0
    GROUP BY if({stitched:UInt8} = 1, person_id, device_node)
    HAVING countIf(journey_stage = {from_stage:String}) > 0
)
GROUP BY began_on, converted_on
ORDER BY people DESC, began_on, converted_on
