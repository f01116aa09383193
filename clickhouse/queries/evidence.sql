-- name: evidence
-- The evidence of some nodes, at most so much of each and in all; only that with some others, where any are given.
-- parameters: nodes Array(UInt64), others Array(UInt64), most UInt32, rows UInt32
-- returns: node UInt64, neighbour UInt64, kind String, first_seen DateTime64(3, 'UTC'), last_seen DateTime64(3, 'UTC'), known_at DateTime64(3, 'UTC'), sessions UInt64, event_id UUID
-- reads: identity_edges
SELECT
    node,
    neighbour,
    toString(identity_edges.kind) AS kind,
    toDateTime64(min(identity_edges.first_seen), 3, 'UTC') AS first_seen,
    toDateTime64(max(identity_edges.last_seen), 3, 'UTC') AS last_seen,
    toDateTime64(min(identity_edges.known_at), 3, 'UTC') AS known_at,
    length(groupUniqArrayArray(64)(identity_edges.sessions)) AS sessions,
    CAST(any(identity_edges.event_id), 'UUID') AS event_id
FROM identity_edges
WHERE node IN {nodes:Array(UInt64)} AND (empty({others:Array(UInt64)}) OR neighbour IN {others:Array(UInt64)})
GROUP BY node, neighbour, kind
ORDER BY node, first_seen, neighbour
LIMIT {most:UInt32} BY node
LIMIT {rows:UInt32}
