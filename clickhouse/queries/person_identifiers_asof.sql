-- name: person_identifiers_asof
-- All identifiers that a person had at a past moment, of those seen together with another one.
-- parameters: person_id UInt64, at DateTime64(6, 'UTC')
-- returns: node UInt64, namespace String, value String, since DateTime64(3, 'UTC')
-- reads: identity_members, identity_nodes, identity_log
SELECT
    node,
    toString(any(identity_nodes.namespace)) AS namespace,
    toString(any(identity_nodes.value)) AS value,
    toDateTime64(min(first_seen), 3, 'UTC') AS since
FROM identity_nodes
WHERE node IN (
    SELECT members.node
    FROM (SELECT node FROM identity_members WHERE person_id = {person_id:UInt64} UNION DISTINCT SELECT {person_id:UInt64}) AS members
    LEFT JOIN (
        SELECT identity_log.node AS node, argMax(person_id, known_from) AS person
        FROM identity_log
        WHERE identity_log.node IN (SELECT node FROM identity_members WHERE person_id = {person_id:UInt64} UNION ALL SELECT {person_id:UInt64})
            AND known_from <= {at:DateTime64(6, 'UTC')}
        GROUP BY node
    ) AS persons ON persons.node = members.node
    WHERE if(persons.node = 0, members.node, persons.person) = {person_id:UInt64})
GROUP BY node
ORDER BY since, node
LIMIT 5000
