-- How identity is doing, for people who look after it; `stitchline identity health` prints the same.

-- How many identifiers each person has, and of what kind. Order by identifiers to see the largest.
CREATE OR REPLACE VIEW ${database}.identity_person_sizes AS
SELECT
    person_id,
    anyIf(concat(identifiers.namespace, ':', identifiers.value), node = identifiers.person_id) AS named_by,
    count() AS identifiers,
    countIf(identifiers.namespace = 'user') AS users,
    countIf(identifiers.namespace IN ('device', 'anonymous')) AS devices,
    countIf(identifiers.namespace NOT IN ('user', 'device', 'anonymous')) AS contacts,
    min(since) AS first_seen
FROM ${database}.identifiers
WHERE person_id != 0
GROUP BY person_id;

-- What belongs to nobody and therefore joins nobody: shared devices and hubs. `because`: type (a kiosk, ATM, point of sale or
-- server), users (two or more signed in), blocked (the operator says so), else neighbours or contacts: it was seen with too many.
CREATE OR REPLACE VIEW ${database}.identity_nobodys AS
SELECT
    toString(any(identity_edges.namespace)) AS namespace,
    toString(any(names.value)) AS value,
    node,
    multiIf(
        has((SELECT argMax(blocked, decided_at) FROM ${database}.identity_rules), node), 'blocked',
        namespace NOT IN ('device', 'anonymous'), 'neighbours',
        max(is_place) = 1, 'type',
        users > 1, 'users',
        neighbours <= (SELECT argMax(JSONExtractUInt(rules, 'hub_device_neighbours'), decided_at) FROM ${database}.identity_rules), 'contacts',
        'neighbours') AS because,
    uniqExact(neighbour) AS neighbours,
    uniqExactIf(neighbour, neighbour_namespace = 'user') AS users,
    uniqExactIf(neighbour, neighbour_namespace NOT IN ('user', 'device', 'anonymous')) AS contacts,
    toDateTime64(min(identity_edges.first_seen), 3, 'UTC') AS first_seen,
    toDateTime64(max(identity_edges.last_seen), 3, 'UTC') AS last_seen
FROM ${database}.identity_edges
LEFT ANY JOIN (SELECT node, any(identity_nodes.value) AS value FROM ${database}.identity_nodes GROUP BY node) AS names ON names.node = identity_edges.node
WHERE dictGetOrDefault('${database}.identity_recent', 'person_id', node,
    dictGetOrDefault('${database}.identity_base', 'person_id', node, node)) = 0
GROUP BY node;

-- Evidence that joined nobody, by the rule it would have broken.
CREATE OR REPLACE VIEW ${database}.identity_quarantine_by_rule AS
SELECT rule, count() AS edges, min(known_from) AS first_refused, max(known_from) AS last_refused
FROM ${database}.identity_quarantine
GROUP BY rule;

-- How persons changed, by day. A person merges when its own identifier, the one it is named by, becomes another's: an anonymous
-- visitor who signs in, mostly. It splits off when that identifier becomes its own again. `moved` counts all identifiers that
-- changed hands, `became_nobodys` those that turned out to be shared or hubs.
CREATE OR REPLACE VIEW ${database}.identity_changes_by_day AS
SELECT
    toDate(known_from) AS day,
    countIf(previous_person_id = node AND person_id NOT IN (0, node)) AS merged,
    countIf(person_id = node AND previous_person_id NOT IN (0, node)) AS split_off,
    countIf(person_id = 0) AS became_nobodys,
    countIf(person_id != 0 AND previous_person_id = 0) AS became_somebodys,
    count() AS moved
FROM ${database}.identity_log
GROUP BY day;

-- Values that came as identifiers and name nobody, by day: what programs write where they know nobody ('null', 'guest', zeros),
-- and what the operator blocks. They make no evidence; many of them mean that an app sends rubbish.
CREATE OR REPLACE VIEW ${database}.identity_refused_values AS
SELECT
    toDate(device_time) AS day,
    toString(named.1) AS namespace,
    lower(named.2) AS value,
    if(has((SELECT argMax(blocked, decided_at) FROM ${database}.identity_rules), sipHash64(named.1, '\0', named.2)),
        'blocked', 'names nobody') AS because,
    count() AS events
FROM ${database}.events_raw FINAL
ARRAY JOIN arrayPushBack(CAST(identifiers, 'Array(Tuple(String, String))'), ('device', device.id)) AS named
WHERE (value IN ('', '0', 'null', 'none', 'undefined', 'nan', 'unknown', 'anonymous', 'guest', 'test', '[object object]',
        '00000000-0000-0000-0000-000000000000') AND named != ('device', ''))
    OR has((SELECT argMax(blocked, decided_at) FROM ${database}.identity_rules), sipHash64(named.1, '\0', named.2))
GROUP BY day, namespace, value, because
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Events by how their person was found, by day.
CREATE OR REPLACE VIEW ${database}.identity_found_by AS
SELECT toDate(device_time) AS day, found_by, count() AS events
FROM ${database}.person_events_by_device
GROUP BY day, found_by;
