-- name: unlinked
-- Who was said to be two people, between two sets of nodes, and not taken back.
-- parameters: nodes Array(UInt64), others Array(UInt64)
-- returns: node UInt64, neighbour UInt64, unlinked_at DateTime64(3, 'UTC')
-- reads: identity_unlinks
SELECT node, neighbour, toDateTime64(max(identity_unlinks.unlinked_at), 3, 'UTC') AS unlinked_at
FROM identity_unlinks
WHERE node IN {nodes:Array(UInt64)} AND neighbour IN {others:Array(UInt64)}
GROUP BY node, neighbour
HAVING max(identity_unlinks.unlinked_at) > max(relinked_at)
ORDER BY unlinked_at DESC
