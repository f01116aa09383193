-- What analysts read: each accepted event once, the first arrival where it came more than once.
CREATE OR REPLACE VIEW ${database}.events AS
SELECT
    event_id, type, name, occurred_at, device_time, seq, identifiers, linked, channel, stage, session_id, page, campaign,
    consent, properties, device, sent_at, received_at, source, sdk, ip, geo, agent, clock, device_node, person_node
FROM ${database}.events_raw FINAL
-- Copies of an event have the same device_time, so they lie in the same partition.
SETTINGS do_not_merge_across_partitions_select_final = 1;
