-- name: unlink_events
-- The events by which some were said to be two people, by their moments.
-- parameters: moments Array(DateTime64(3, 'UTC'))
-- returns: event_id UUID, occurred_at DateTime64(3, 'UTC'), source LowCardinality(String), reason String, own Array(UInt64), linked Array(UInt64)
-- reads: events_raw
SELECT
    event_id,
    occurred_at,
    toString(events_raw.source) AS source,
    ifNull(events_raw.properties.reason.:String, '') AS reason,
    arrayMap((namespace, value) -> sipHash64(namespace, '\0', value), mapKeys(identifiers), mapValues(identifiers)) AS own,
    arrayMap((namespace, value) -> sipHash64(namespace, '\0', value), mapKeys(events_raw.linked), mapValues(events_raw.linked)) AS linked
FROM events_raw
WHERE type = 'unlink' AND occurred_at IN {moments:Array(DateTime64(3, 'UTC'))}
