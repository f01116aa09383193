-- A look-up in two levels: loading everything for each small change would not scale, so changes since the last fold lie in a
-- small dictionary over a large one. Neither holds a node that is its own person, but where that is a change.
CREATE DICTIONARY IF NOT EXISTS ${database}.identity_base
(
    node UInt64,
    person_id UInt64
)
PRIMARY KEY node
SOURCE(CLICKHOUSE(
    QUERY 'SELECT node, person_id FROM ${database}.identity_map WHERE person_id != node'
    ${dictionary_credentials}
))
LAYOUT(HASHED())
LIFETIME(0);

CREATE DICTIONARY IF NOT EXISTS ${database}.identity_recent
(
    node UInt64,
    person_id UInt64
)
PRIMARY KEY node
SOURCE(CLICKHOUSE(
    QUERY 'SELECT node, argMax(person_id, known_from) AS person_id FROM ${database}.identity_log WHERE known_from > (SELECT max(folded_to) FROM ${database}.identity_folds) GROUP BY node'
    ${dictionary_credentials}
))
LAYOUT(HASHED())
LIFETIME(0);
