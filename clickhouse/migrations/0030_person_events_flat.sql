-- The person of each event, as in 0026 and with the same columns, in one level instead of three.
--
-- Nearly every event is decided by one look-up: what it says, else its device; what is done at a place and says nobody is looked
-- up as node 0, which is nobody's. All else is behind one `if`, which ClickHouse computes only for the rows that get there: as
-- conditions side by side in one `multiIf`, each would prepare every row for it again. `bitXor` and `bitAnd` keep the first
-- look-ups out of that: the default of a look-up would be computed row by row where it is needed, which costs more than to
-- compute it for all.
CREATE OR REPLACE VIEW ${database}.person_events_by_device AS
WITH
    device.type IN ('kiosk', 'atm', 'pos', 'server') AS is_place,
    if(person_node != 0, person_node, device_node * (NOT is_place)) AS first_node,
    dictGetOrDefault('${database}.identity_base', 'person_id', first_node, first_node) AS folded,
    bitXor(dictGetOrDefault('${database}.identity_recent', 'person_id', first_node, folded), bitAnd(folded, 0)) AS found,
    dictGetOrDefault('${database}.identity_recent', 'person_id', device_node,
        dictGetOrDefault('${database}.identity_base', 'person_id', device_node, device_node)) AS on_device,
    NOT is_place AND on_device != 0 AS is_own_device,
    dictGetOrDefault('${database}.identity_sessions_recent', 'owner', session_node, occurred_at,
        dictGetOrDefault('${database}.identity_sessions_base', 'owner', session_node, occurred_at, toUInt64(0))) AS owner,
    dictGetOrDefault('${database}.identity_recent', 'person_id', owner,
        dictGetOrDefault('${database}.identity_base', 'person_id', owner, owner)) AS owner_person
SELECT
    if(found != 0, found,
        multiIf(device_node = 0, 0, is_own_device, on_device, owner_person != 0, owner_person, session_node)) AS person_id,
    CAST(if(found != 0, if(person_node != 0, 1, 3), multiIf(device_node = 0, 5, is_own_device, 3, owner_person != 0, 2, 4)),
        'Enum8(\'identifier\' = 1, \'session\' = 2, \'device\' = 3, \'nobody\' = 4, \'none\' = 5)') AS found_by,
    if(found != 0, first_node,
        multiIf(device_node = 0, 0, is_own_device, device_node, owner_person != 0, owner, 0)) AS deciding_node,
    event_id, type, name, occurred_at, device_time, seq, identifiers, linked, channel, stage, session_id, page, campaign,
    consent, properties, device, sent_at, received_at, source, sdk, ip, geo, agent, clock, by_server, device_node,
    person_node, session_node, device.id AS device_id, device.type AS device_type
FROM ${database}.events_raw FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;
