-- name: refusals
-- The rules by which evidence between some nodes was refused.
-- parameters: nodes Array(UInt64)
-- returns: node UInt64, neighbour UInt64, kind String, rule LowCardinality(String)
-- reads: identity_quarantine
SELECT node, neighbour, toString(identity_quarantine.kind) AS kind, toString(identity_quarantine.rule) AS rule
FROM identity_quarantine
WHERE node IN {nodes:Array(UInt64)} AND neighbour IN {nodes:Array(UInt64)}
