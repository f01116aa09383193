-- What the stitcher has not read yet: one row per set of identifiers seen together in one insert. A queue whose unit is the
-- data part: the stitcher reads the parts that exist and drops them.
CREATE TABLE IF NOT EXISTS ${database}.identity_inbox
(
    kind Enum8('event' = 0, 'identify' = 1, 'link' = 2),
    device String,
    is_place Bool COMMENT 'the device is of a type that belongs to nobody',
    identifiers Map(LowCardinality(String), String),
    linked Map(LowCardinality(String), String),
    first_seen DateTime64(3, 'UTC'),
    last_seen DateTime64(3, 'UTC'),
    known_at DateTime64(3, 'UTC') COMMENT 'when the collector received it',
    event_id UUID COMMENT 'a sample',
    sessions Array(UInt64) COMMENT 'hashes of session ids, at most 64'
)
ENGINE = MergeTree
ORDER BY tuple();

-- Cheap at insert on purpose: no edges, no hashes of identifiers. An event with one identifier says nothing about two.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.identity_inbox_feed TO ${database}.identity_inbox AS
SELECT
    multiIf(type = 'identify', 'identify', type = 'link', 'link', 'event') AS kind,
    device.id AS device,
    device.type IN ('kiosk', 'atm', 'pos', 'server') AS is_place,
    identifiers,
    linked,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen,
    min(received_at) AS known_at,
    any(event_id) AS event_id,
    groupUniqArray(64)(sipHash64(if(session_id = '', concat(device.id, toString(toDate(occurred_at))), session_id))) AS sessions
FROM ${database}.events_raw
WHERE (device.id != '') + length(identifiers) + length(linked) >= 2 AND type != 'unlink'
GROUP BY kind, device, is_place, identifiers, linked;
