-- name: person_of_asof
-- The person that one identifier had at a past moment; of a node instead, where one is given.
-- parameters: namespace String, value String, given UInt64, at DateTime64(6, 'UTC')
-- returns: node UInt64, person_id UInt64
-- reads: identity_log
WITH if({given:UInt64} != 0, {given:UInt64}, sipHash64({namespace:String}, '\0', {value:String})) AS asked
SELECT
    asked AS node,
    if(count() = 0, asked, argMax(identity_log.person_id, known_from)) AS person_id
FROM identity_log
WHERE identity_log.node = asked AND known_from <= {at:DateTime64(6, 'UTC')}
