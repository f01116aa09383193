-- name: members
-- The identifiers of some persons.
-- parameters: persons Array(UInt64)
-- returns: node UInt64, person_id UInt64
-- reads: identity_members, identity_recent, identity_base
SELECT
    node,
    dictGetOrDefault('identity_recent', 'person_id', node,
        dictGetOrDefault('identity_base', 'person_id', node, node)) AS person_id
FROM (SELECT DISTINCT node FROM identity_members WHERE identity_members.person_id IN {persons:Array(UInt64)}
    UNION DISTINCT SELECT arrayJoin({persons:Array(UInt64)}))
WHERE person_id IN {persons:Array(UInt64)}
LIMIT 5000
