-- A consent event that does not say yes to analytics keeps who said it, as a record of that and for nothing else: it is no evidence of
-- who belongs together.
--
-- The new feed is there before the old one goes: another collector may be loading meanwhile, and evidence that is fed twice says nothing
-- more, while what no feed takes is never seen.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.identity_evidence_feed TO ${database}.identity_inbox AS
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
WHERE ((device.id != '') + length(identifiers) + length(linked) >= 2 OR (type = 'logout' AND device_node != 0))
    AND (type != 'consent' OR consent['analytics'])
GROUP BY kind, by_server, device, is_place, device_node, session_node, identifiers, linked,
    if(type IN ('identify', 'logout'), occurred_at, toDateTime64(0, 3, 'UTC'));

DROP VIEW IF EXISTS ${database}.identity_inbox_feed;
