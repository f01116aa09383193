-- name: people_by_day
-- How many people there were each day, on how many devices and channels, and how much of what they did only stitching brought together.
-- parameters: breakdown String = , since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: day Date, part String, people UInt64, devices UInt64, channels UInt64, events UInt64, devices_per_person Float64, stitched_share Float64
-- reads: journey_events
--
-- stitched_share: of the events, those whose person is not just their own device. breakdown: `device`, `channel`, `source`, `campaign`
-- or `country`; a person may be in several parts.
SELECT
    toDate(occurred_at) AS day,
    toString(multiIf(
        {breakdown:String} = 'device', device_type, {breakdown:String} = 'channel', channel,
        {breakdown:String} = 'source', campaign_source, {breakdown:String} = 'campaign', campaign_name,
        {breakdown:String} = 'country', country, '')) AS part,
    uniqExact(if({stitched:UInt8} = 1, person_id, device_node) AS who) AS people,
    uniqExactIf(device_node, device_node != 0) AS devices,
    uniqExactIf(channel, channel != '') AS channels,
    count() AS events,
    uniqExactIf((who, device_node), device_node != 0) / people AS devices_per_person,
    countIf(who != device_node) / events AS stitched_share
FROM journey_events
WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
    AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
    AND NOT throwIf({breakdown:String} NOT IN ('', 'device', 'channel', 'source', 'campaign', 'country'), 'breakdown is device, channel, source, campaign or country, or empty')
    AND who != 0
GROUP BY day, part
ORDER BY day, people DESC, part
