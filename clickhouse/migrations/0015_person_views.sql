-- Events with the person they belong to as of now: the person of what the event itself says, else of its device; 0 where it
-- says neither.
CREATE OR REPLACE VIEW ${database}.person_events AS
SELECT
    if(person_node != 0, person_node, device_node) AS deciding_node,
    dictGetOrDefault('${database}.identity_recent', 'person_id', deciding_node,
        dictGetOrDefault('${database}.identity_base', 'person_id', deciding_node, deciding_node)) AS person_id,
    *
FROM ${database}.events;

CREATE OR REPLACE VIEW ${database}.people AS
SELECT
    person_id,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen,
    count() AS events,
    uniqExactIf(device.id, device.id != '') AS devices,
    arraySort(groupUniqArrayIf(channel, channel != '')) AS channels,
    argMaxIf(stage, (occurred_at, seq, UUIDToNum(event_id)), stage != '') AS stage,
    arraySort(groupUniqArrayArray(100)(arrayMap((namespace, value) -> concat(namespace, ':', value),
        mapKeys(identifiers), mapValues(identifiers)))) AS identifiers
FROM ${database}.person_events
WHERE person_id != 0
GROUP BY person_id;

-- Every identifier that was seen together with another one, and whose it is; `since` is when it was first seen.
CREATE OR REPLACE VIEW ${database}.identifiers AS
SELECT
    toString(any(identity_nodes.namespace)) AS namespace,
    toString(any(identity_nodes.value)) AS value,
    node,
    dictGetOrDefault('${database}.identity_recent', 'person_id', node,
        dictGetOrDefault('${database}.identity_base', 'person_id', node, node)) AS person_id,
    toDateTime64(min(first_seen), 3, 'UTC') AS since
FROM ${database}.identity_nodes
GROUP BY node;
