-- Which key sent an event decides how far its word on who is who is trusted; and the session it belongs to, by its own id
-- or else by device and day: whoever owns the session on a shared device owns what is done in it.
ALTER TABLE ${database}.events_raw
    ADD COLUMN IF NOT EXISTS by_server Bool DEFAULT false COMMENT 'sent with a server''s key',
    ADD COLUMN IF NOT EXISTS session_node UInt64 MATERIALIZED if(device_node = 0, 0, sipHash64(
        'session', '\0', device_node, '\0', if(session_id = '', toString(toDate(device_time)), session_id)));

CREATE OR REPLACE VIEW ${database}.events AS
SELECT
    event_id, type, name, occurred_at, device_time, seq, identifiers, linked, channel, stage, session_id, page, campaign,
    consent, properties, device, sent_at, received_at, source, sdk, ip, geo, agent, clock, by_server, device_node, person_node,
    session_node
FROM ${database}.events_raw FINAL
-- Copies of an event have the same device_time, so they lie in the same partition.
SETTINGS do_not_merge_across_partitions_select_final = 1;
