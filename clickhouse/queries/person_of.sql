-- name: person_of
-- The person of one identifier, known or not; of a node instead, where one is given.
-- parameters: namespace String, value String, given UInt64
-- returns: node UInt64, person_id UInt64
-- reads: identity_recent, identity_base
SELECT
    if({given:UInt64} != 0, {given:UInt64}, sipHash64({namespace:String}, '\0', {value:String})) AS node,
    dictGetOrDefault('identity_recent', 'person_id', node,
        dictGetOrDefault('identity_base', 'person_id', node, node)) AS person_id
