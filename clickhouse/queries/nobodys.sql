-- name: nobodys
-- Why an identifier belongs to nobody: with how many others it was seen, and whether the operator blocks it.
-- parameters: node UInt64
-- returns: neighbours UInt64, users UInt64, is_place UInt8, is_blocked UInt8
-- reads: identity_edges, identity_rules
SELECT
    uniqExact(neighbour) AS neighbours,
    uniqExactIf(neighbour, kind = 'login' AND neighbour_namespace = 'user') AS users,
    toUInt8(max(identity_edges.is_place)) AS is_place,
    ifNull((SELECT has(argMax(blocked, decided_at), {node:UInt64}) FROM identity_rules), 0) AS is_blocked
FROM identity_edges
WHERE node = {node:UInt64}
