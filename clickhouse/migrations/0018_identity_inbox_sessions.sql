-- The inbox also tells sessions apart, and takes logouts and what was unlinked: one row per set of identifiers seen together in
-- one session and one insert. Each identify and logout keeps its own moment, because they bound who owns a session.
ALTER TABLE ${database}.identity_inbox
    MODIFY COLUMN kind Enum8('event' = 0, 'identify' = 1, 'link' = 2, 'logout' = 3, 'unlink' = 4, 'relink' = 5),
    ADD COLUMN IF NOT EXISTS by_server Bool DEFAULT false,
    ADD COLUMN IF NOT EXISTS device_node UInt64,
    ADD COLUMN IF NOT EXISTS session_node UInt64;

DROP VIEW IF EXISTS ${database}.identity_inbox_feed;

CREATE MATERIALIZED VIEW ${database}.identity_inbox_feed TO ${database}.identity_inbox AS
SELECT
    multiIf(type = 'unlink' AND name = 'relink', 'relink', type IN ('identify', 'link', 'logout', 'unlink'), toString(type), 'event') AS kind,
    by_server,
    device.id AS device,
    device.type IN ('kiosk', 'atm', 'pos', 'server') AS is_place,
    device_node,
    session_node,
    identifiers,
    linked,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen,
    min(received_at) AS known_at,
    any(event_id) AS event_id
FROM ${database}.events_raw
WHERE (device.id != '') + length(identifiers) + length(linked) >= 2 OR (type = 'logout' AND device_node != 0)
GROUP BY kind, by_server, device, is_place, device_node, session_node, identifiers, linked,
    if(type IN ('identify', 'logout'), occurred_at, toDateTime64(0, 3, 'UTC'));
