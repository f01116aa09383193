-- name: handovers
-- From which channel or device type people went on to which, in which stages, and how long it took.
-- parameters: by String = channel, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: from_stage String, to_stage String, came_from String, went_to String, people UInt64, handovers UInt64, p50_s Float64, p90_s Float64
-- reads: journey_events
--
-- A hand-over is an event on another channel (`by = 'device'`: another type of device, `both`: either) than the person's event before it,
-- passing over events that name none. Stages are the last known at each of the two events, that event's own included.
SELECT
    stages[place] AS from_stage,
    stages[place + 1] AS to_stage,
    events[place].4 AS came_from,
    events[place + 1].4 AS went_to,
    uniqExact(who) AS people,
    count() AS handovers,
    quantileExact(0.5)((events[place + 1].1 - events[place].1) / 1000) AS p50_s,
    quantileExact(0.9)((events[place + 1].1 - events[place].1) / 1000) AS p90_s
FROM
(
    SELECT
        if({stitched:UInt8} = 1, person_id, device_node) AS who,
        arraySort(groupArray((
            toUnixTimestamp64Milli(occurred_at), seq, UUIDToNum(event_id),
            toString(multiIf(
                {by:String} = 'channel', channel, {by:String} = 'device', device_type,
                channel = '' OR device_type = '', '', concat(device_type, ' ', channel))),
            toString(journey_stage)))) AS all_events,
        arrayFill(stage -> stage != '', arrayMap(one -> one.5, all_events)) AS all_stages,
        arrayFilter(one -> one.4 != '', all_events) AS events,
        arrayFilter((stage, one) -> one.4 != '', all_stages, all_events) AS stages
    FROM journey_events
    WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
        AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
        AND NOT throwIf({by:String} NOT IN ('channel', 'device', 'both'), 'by is channel, device or both')
        AND who != 0
    GROUP BY who
)
ARRAY JOIN arrayFilter(at -> at < length(events) AND events[at].4 != events[at + 1].4, arrayEnumerate(events)) AS place
GROUP BY from_stage, to_stage, came_from, went_to
ORDER BY people DESC, handovers DESC, from_stage, to_stage, came_from, went_to
