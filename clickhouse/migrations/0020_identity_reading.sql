-- Whose a session on a shared device is, from when until when; in two levels, as the persons of nodes are.
CREATE DICTIONARY IF NOT EXISTS ${database}.identity_sessions_base
(
    session_node UInt64,
    start DateTime64(3, 'UTC'),
    until DateTime64(3, 'UTC'),
    owner UInt64
)
PRIMARY KEY session_node
SOURCE(CLICKHOUSE(
    QUERY 'SELECT session_node, start, until, owner FROM (SELECT session_node, argMax(identity_sessions.starts, known_from) AS starts, argMax(identity_sessions.owners, known_from) AS owners FROM ${database}.identity_sessions GROUP BY session_node) ARRAY JOIN starts AS start, arrayPushBack(arrayMap(next -> next - toIntervalMillisecond(1), arrayPopFront(starts)), toDateTime64(''2299-12-31 00:00:00'', 3, ''UTC'')) AS until, owners AS owner'
    ${dictionary_credentials}
))
LAYOUT(RANGE_HASHED())
RANGE(MIN start MAX until)
LIFETIME(0);

CREATE DICTIONARY IF NOT EXISTS ${database}.identity_sessions_recent
(
    session_node UInt64,
    start DateTime64(3, 'UTC'),
    until DateTime64(3, 'UTC'),
    owner UInt64
)
PRIMARY KEY session_node
SOURCE(CLICKHOUSE(
    QUERY 'SELECT session_node, start, until, owner FROM (SELECT session_node, argMax(identity_sessions.starts, known_from) AS starts, argMax(identity_sessions.owners, known_from) AS owners FROM ${database}.identity_sessions WHERE known_from > (SELECT max(folded_to) FROM ${database}.identity_folds) GROUP BY session_node) ARRAY JOIN starts AS start, arrayPushBack(arrayMap(next -> next - toIntervalMillisecond(1), arrayPopFront(starts)), toDateTime64(''2299-12-31 00:00:00'', 3, ''UTC'')) AS until, owners AS owner'
    ${dictionary_credentials}
))
LAYOUT(RANGE_HASHED())
RANGE(MIN start MAX until)
LIFETIME(0);

-- Events with the person they belong to as of now, and how that person was found:
--   identifier  what the event itself says: its deciding identifier, unless that is nobody's;
--   session     on a shared device, whoever owns the session at that time;
--   device      the device's person;
--   nobody      on a shared device, a session that nobody owns: a person of its own;
--   none        the event names neither person nor device; person_id is 0.
-- Nobody's nodes (shared devices, hubs) have the person 0. Keys are set to 0 where a look-up is not needed: that costs nothing.
CREATE OR REPLACE VIEW ${database}.person_events AS
SELECT
    multiIf(by_identifier, said, device_node = 0, 0, NOT is_shared, on_device, owner_person != 0, owner_person,
        sipHash64('nobody', '\0', device_node, '\0', session_node)) AS person_id,
    CAST(multiIf(by_identifier, 1, device_node = 0, 5, NOT is_shared, 3, owner_person != 0, 2, 4),
        'Enum8(\'identifier\' = 1, \'session\' = 2, \'device\' = 3, \'nobody\' = 4, \'none\' = 5)') AS found_by,
    multiIf(by_identifier, person_node, device_node = 0, 0, NOT is_shared, device_node, owner_person != 0, owner, 0) AS deciding_node,
    * EXCEPT (said, by_identifier, rest, on_device, is_shared, shared_session, owner, owner_person)
FROM
(
    SELECT
        dictGetOrDefault('${database}.identity_recent', 'person_id', person_node,
            dictGetOrDefault('${database}.identity_base', 'person_id', person_node, person_node)) AS said,
        said != 0 AS by_identifier,
        if(by_identifier, 0, device_node) AS rest,
        dictGetOrDefault('${database}.identity_recent', 'person_id', rest,
            dictGetOrDefault('${database}.identity_base', 'person_id', rest, rest)) AS on_device,
        rest != 0 AND (on_device = 0 OR device.type IN ('kiosk', 'atm', 'pos', 'server')) AS is_shared,
        if(is_shared, session_node, 0) AS shared_session,
        dictGetOrDefault('${database}.identity_sessions_recent', 'owner', shared_session, occurred_at,
            dictGetOrDefault('${database}.identity_sessions_base', 'owner', shared_session, occurred_at, toUInt64(0))) AS owner,
        dictGetOrDefault('${database}.identity_recent', 'person_id', owner,
            dictGetOrDefault('${database}.identity_base', 'person_id', owner, owner)) AS owner_person,
        *
    FROM ${database}.events
);

-- Refused evidence and the rule it would have broken: recorded decisions, and all evidence of what is nobody's.
CREATE OR REPLACE VIEW ${database}.identity_quarantine AS
SELECT node, neighbour, kind, namespace, neighbour_namespace, rule, known_from
FROM ${database}.identity_quarantine_raw FINAL
WHERE rule != ''
UNION ALL
SELECT
    node, neighbour, kind, toLowCardinality(toString(any(identity_edges.namespace))) AS namespace,
    toLowCardinality(toString(any(identity_edges.neighbour_namespace))) AS neighbour_namespace,
    toLowCardinality(if(dictGetOrDefault('${database}.identity_recent', 'person_id', node,
            dictGetOrDefault('${database}.identity_base', 'person_id', node, node)) = 0 AND namespace IN ('device', 'anonymous')
        OR dictGetOrDefault('${database}.identity_recent', 'person_id', neighbour,
            dictGetOrDefault('${database}.identity_base', 'person_id', neighbour, neighbour)) = 0 AND neighbour_namespace IN ('device', 'anonymous'),
        'shared_device', 'hub')) AS rule,
    toDateTime64(min(known_at), 6, 'UTC') AS known_from
FROM ${database}.identity_edges
WHERE node < neighbour
    AND (dictGetOrDefault('${database}.identity_recent', 'person_id', node,
            dictGetOrDefault('${database}.identity_base', 'person_id', node, node)) = 0
        OR dictGetOrDefault('${database}.identity_recent', 'person_id', neighbour,
            dictGetOrDefault('${database}.identity_base', 'person_id', neighbour, neighbour)) = 0)
GROUP BY node, neighbour, kind;
