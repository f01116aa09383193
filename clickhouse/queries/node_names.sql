-- name: node_names
-- The identifiers that nodes stand for, of those that were seen together with another one.
-- parameters: nodes Array(UInt64)
-- returns: node UInt64, namespace String, value String
-- reads: identity_nodes
SELECT
    node,
    toString(any(identity_nodes.namespace)) AS namespace,
    toString(any(identity_nodes.value)) AS value
FROM identity_nodes
WHERE node IN {nodes:Array(UInt64)}
GROUP BY node
