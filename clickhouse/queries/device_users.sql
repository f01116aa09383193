-- name: device_users
-- Who signed in on a device, the latest first.
-- parameters: node UInt64
-- returns: value String, last_seen DateTime64(3, 'UTC')
-- reads: identity_edges, identity_nodes
SELECT
    toString(any(identity_nodes.value)) AS value,
    toDateTime64(max(seen.last_seen), 3, 'UTC') AS last_seen
FROM identity_nodes
INNER JOIN (
    SELECT neighbour, max(identity_edges.last_seen) AS last_seen
    FROM identity_edges
    WHERE node = {node:UInt64} AND neighbour_namespace = 'user'
    GROUP BY neighbour
    ORDER BY last_seen DESC
    LIMIT 5
) AS seen ON seen.neighbour = identity_nodes.node
WHERE node IN (SELECT neighbour FROM identity_edges WHERE node = {node:UInt64} AND neighbour_namespace = 'user')
GROUP BY node
ORDER BY last_seen DESC
