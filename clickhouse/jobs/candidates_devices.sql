-- name: candidates_devices
-- What each installation is compared by: where it was on which day, at which hours, and what it says of itself.
-- parameters: run UInt64, days UInt32
-- writes: identity_candidate_devices
-- reads: events, events_raw, identity_map
INSERT INTO identity_candidate_devices
    (run, device_node, name, country, timezone, locale, system, model, first_seen, last_seen, sightings, active_hours, week)
WITH
    arrayMap(hour -> (toDayOfWeek(hour) - 1) * 24 + toHour(hour), groupUniqArray(toStartOfHour(occurred_at))) AS hours,
    -- An hour also counts half for the one before and the one after it: nobody is that punctual.
    arrayMap(hour -> 2 * countEqual(hours, hour) + countEqual(hours, (hour + 1) % 168) + countEqual(hours, (hour + 167) % 168), range(168)) AS used
SELECT
    {run:UInt64},
    device_node,
    max(if(device_node = sipHash64('device', '\0', device.id), concat('device:', device.id), concat('anonymous:', identifiers['anonymous']))),
    argMaxIf(geo.country, (occurred_at, event_id), geo.country != ''),
    argMaxIf(device.timezone, (occurred_at, event_id), device.timezone != ''),
    argMaxIf(replaceAll(device.locale, '_', '-'), (occurred_at, event_id), device.locale != ''),
    argMaxIf(if(device.os != '', device.os, agent.os), (occurred_at, event_id), device.os != '' OR agent.os != ''),
    -- No versions: they change with the next update.
    argMaxIf(concat(if(device.model != '', concat(device.manufacturer, ' ', device.model), agent.device), ' ', toString(device.screen_width),
        'x', toString(device.screen_height)), (occurred_at, event_id), device.model != '' OR agent.device != '' OR device.screen_width != 0),
    min(occurred_at),
    max(occurred_at),
    arraySort(groupUniqArray((sipHash64(ip), toDate(occurred_at)))),
    length(hours),
    arrayMap(hour -> toFloat32(hour / sqrt(arraySum(x -> x * x, used))), used)
FROM events
WHERE received_at >= (SELECT max(received_at) FROM events_raw) - toIntervalDay({days:UInt32})
    AND device_node != 0 AND ip != '' AND NOT agent.is_bot
    AND device_node NOT IN (SELECT node FROM identity_map WHERE person_id = 0)
GROUP BY device_node
-- Never a place nor a shared device: those belong to nobody.
HAVING max(device.type IN ('kiosk', 'atm', 'pos', 'server')) = 0
