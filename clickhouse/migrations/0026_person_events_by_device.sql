-- Where each node was seen becomes an index and no more: a row per node, day and device, for the node that says who it was
-- and for the installation both, because either may be nobody's now or later. What a person did is told by the events themselves.
DROP VIEW IF EXISTS ${database}.identity_visits_feed;

ALTER TABLE ${database}.identity_visits
    DROP COLUMN IF EXISTS device_type,
    DROP COLUMN IF EXISTS channels,
    DROP COLUMN IF EXISTS stage,
    DROP COLUMN IF EXISTS events;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.identity_visits_feed TO ${database}.identity_visits AS
SELECT
    node,
    toYYYYMMDD(device_time) AS day,
    device.id AS device_id,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen
FROM ${database}.events_raw
ARRAY JOIN arrayDistinct(arrayFilter(one -> one != 0, [person_node, device_node])) AS node
GROUP BY node, day, device_id;

-- Twice changes nothing: the rows are merged by their smallest and largest moments.
INSERT INTO ${database}.identity_visits (node, day, device_id, first_seen, last_seen)
SELECT
    node,
    toYYYYMMDD(device_time) AS day,
    device.id AS device_id,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen
FROM ${database}.events_raw
ARRAY JOIN arrayDistinct(arrayFilter(one -> one != 0, [person_node, device_node])) AS node
GROUP BY node, day, device_id;

-- Where to look for the events that a node decides about: its visits, and the days before and after (`is_near`), because a session
-- on a shared device may cross midnight. `is_nobodys` says where that matters now.
CREATE OR REPLACE VIEW ${database}.identity_whereabouts AS
SELECT
    node,
    arrayJoin([-1, 0, 1]) AS days,
    days != 0 AS is_near,
    device_id = '' OR dictGetOrDefault('${database}.identity_recent', 'person_id', sipHash64('device', '\0', device_id),
        dictGetOrDefault('${database}.identity_base', 'person_id', sipHash64('device', '\0', device_id), toUInt64(1))) = 0 AS is_nobodys,
    if(is_near, toYYYYMMDD(YYYYMMDDToDate32(identity_visits.day) + days), identity_visits.day) AS day,
    device_id,
    first_seen,
    last_seen
FROM ${database}.identity_visits;

-- The person of each event, for whoever asks for a few devices: `device_id` and `device_type` are columns of their own here,
-- so that a condition on the device uses the sorting key, and reading one of them does not read all of the tuple `device`.
-- A view over a tuple hides both from ClickHouse. The rule is told in words at person_events.
--
-- Nearly every event is decided by one look-up: what it says, else its device. All else is in later branches of `multiIf`, which
-- ClickHouse computes only for the rows that get there. `bitAnd`, `bitOr` and `bitXor` keep what every row needs out of that: a
-- condition of AND and OR, or the default of a look-up, would be computed row by row where it is needed, which costs more
-- than to compute it for all (docs/performance.md).
CREATE OR REPLACE VIEW ${database}.person_events_by_device AS
SELECT
    multiIf(is_simple, found, device_node = 0, 0, is_own_device, on_device, owner_person != 0, owner_person, session_node) AS person_id,
    CAST(multiIf(is_simple, if(person_node != 0, 1, 3), device_node = 0, 5, is_own_device, 3, owner_person != 0, 2, 4),
        'Enum8(\'identifier\' = 1, \'session\' = 2, \'device\' = 3, \'nobody\' = 4, \'none\' = 5)') AS found_by,
    multiIf(is_simple, first_node, device_node = 0, 0, is_own_device, device_node, owner_person != 0, owner, 0) AS deciding_node,
    * EXCEPT (first_node, in_base, found, is_place, is_simple, on_device, is_own_device, owner, owner_person)
FROM
(
    SELECT
        if(person_node != 0, person_node, device_node) AS first_node,
        dictGetOrDefault('${database}.identity_base', 'person_id', first_node, first_node) AS in_base,
        bitXor(dictGetOrDefault('${database}.identity_recent', 'person_id', first_node, in_base), bitAnd(in_base, 0)) AS found,
        device_type IN ('kiosk', 'atm', 'pos', 'server') AS is_place,
        bitAnd(found != 0, bitOr(person_node != 0, NOT is_place)) AS is_simple,
        dictGetOrDefault('${database}.identity_recent', 'person_id', device_node,
            dictGetOrDefault('${database}.identity_base', 'person_id', device_node, device_node)) AS on_device,
        NOT is_place AND on_device != 0 AS is_own_device,
        dictGetOrDefault('${database}.identity_sessions_recent', 'owner', session_node, occurred_at,
            dictGetOrDefault('${database}.identity_sessions_base', 'owner', session_node, occurred_at, toUInt64(0))) AS owner,
        dictGetOrDefault('${database}.identity_recent', 'person_id', owner,
            dictGetOrDefault('${database}.identity_base', 'person_id', owner, owner)) AS owner_person,
        *
    FROM
    (
        SELECT
            event_id, type, name, occurred_at, device_time, seq, identifiers, linked, channel, stage, session_id, page, campaign,
            consent, properties, device, sent_at, received_at, source, sdk, ip, geo, agent, clock, by_server, device_node,
            person_node, session_node, device.id AS device_id, device.type AS device_type
        FROM ${database}.events_raw FINAL
        SETTINGS do_not_merge_across_partitions_select_final = 1
    )
);

-- Events with the person they belong to as of now, and how that person was found:
--   identifier  what the event itself says: its deciding identifier, unless that is nobody's;
--   session     on a shared device, whoever owns the session at that time;
--   device      the device's person;
--   nobody      on a shared device, a session that nobody owns: a person of its own;
--   none        the event names neither person nor device; person_id is 0.
CREATE OR REPLACE VIEW ${database}.person_events AS
SELECT * EXCEPT (device_id, device_type) FROM ${database}.person_events_by_device;
