-- name: persons_of
-- The persons of some nodes.
-- parameters: nodes Array(UInt64)
-- returns: node UInt64, person_id UInt64
-- reads: identity_recent, identity_base
SELECT
    arrayJoin({nodes:Array(UInt64)}) AS node,
    dictGetOrDefault('identity_recent', 'person_id', node,
        dictGetOrDefault('identity_base', 'person_id', node, node)) AS person_id
