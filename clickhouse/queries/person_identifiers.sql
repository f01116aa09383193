-- name: person_identifiers
-- All identifiers of a person that were seen together with another one.
-- parameters: person_id UInt64
-- returns: node UInt64, namespace String, value String, since DateTime64(3, 'UTC')
-- reads: identity_members, identity_nodes, identity_recent, identity_base
SELECT
    node,
    toString(any(identity_nodes.namespace)) AS namespace,
    toString(any(identity_nodes.value)) AS value,
    toDateTime64(min(first_seen), 3, 'UTC') AS since
FROM identity_nodes
WHERE node IN (SELECT node FROM identity_members WHERE person_id = {person_id:UInt64} UNION ALL SELECT {person_id:UInt64})
    -- A member may have left.
    AND dictGetOrDefault('identity_recent', 'person_id', node,
        dictGetOrDefault('identity_base', 'person_id', node, node)) = {person_id:UInt64}
GROUP BY node
ORDER BY since, node
LIMIT 5000
