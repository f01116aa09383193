-- name: events_told
-- What is told of some events, of which day and device are known too, pair by pair.
-- parameters: days Array(UInt32), devices Array(String), events Array(UUID)
-- returns: event_id UUID, occurred_at DateTime64(3, 'UTC'), type LowCardinality(String), name LowCardinality(String), channel LowCardinality(String), stage LowCardinality(String), device_id String, device_type LowCardinality(String), session_id String, url String, properties String
-- reads: events_raw
SELECT
    event_id,
    occurred_at,
    type,
    name,
    channel,
    stage,
    device.id AS device_id,
    device.type AS device_type,
    session_id,
    page.url AS url,
    toJSONString(properties) AS properties
FROM events_raw FINAL
WHERE (toYYYYMMDD(device_time), device.id) IN arrayZip({days:Array(UInt32)}, {devices:Array(String)})
    AND event_id IN {events:Array(UUID)}
