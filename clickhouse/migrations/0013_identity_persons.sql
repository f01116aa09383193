-- Every change of a node's person, and by that the truth about persons: a node without a row is its own person.
CREATE TABLE IF NOT EXISTS ${database}.identity_log
(
    node UInt64,
    known_from DateTime64(6, 'UTC'),
    person_id UInt64,
    previous_person_id UInt64,
    INDEX known_from known_from TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (node, known_from)
SETTINGS index_granularity = 1024;

-- The person of each node now. A view, because two tables could differ after a crash between two writes.
CREATE OR REPLACE VIEW ${database}.identity_map AS
SELECT node, argMax(person_id, known_from) AS person_id, max(known_from) AS version
FROM ${database}.identity_log
GROUP BY node;

-- Which nodes a person may have: never too few, and those that left are told by identity_map.
CREATE TABLE IF NOT EXISTS ${database}.identity_members
(
    person_id UInt64,
    node UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (person_id, node)
SETTINGS index_granularity = 1024;

-- Decisions about evidence that was refused; an empty rule takes a refusal back.
CREATE TABLE IF NOT EXISTS ${database}.identity_quarantine_raw
(
    node UInt64,
    neighbour UInt64,
    kind Enum8('login' = 1, 'link' = 2, 'contact' = 3),
    namespace LowCardinality(String),
    neighbour_namespace LowCardinality(String),
    rule LowCardinality(String),
    known_from DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(known_from)
ORDER BY (node, neighbour, kind)
SETTINGS index_granularity = 1024;

-- Evidence that joins nobody, and the rule it would have broken.
CREATE OR REPLACE VIEW ${database}.identity_quarantine AS
SELECT node, neighbour, kind, namespace, neighbour_namespace, rule, known_from
FROM ${database}.identity_quarantine_raw FINAL
WHERE rule != '';

-- Up to when the log lies in the dictionary identity_base.
CREATE TABLE IF NOT EXISTS ${database}.identity_folds
(
    folded_to DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY folded_to;

-- Who stitches: the row of the highest epoch. An epoch is one deduplication token, so it can be taken only once.
CREATE TABLE IF NOT EXISTS ${database}.identity_lease
(
    epoch UInt64,
    holder UUID,
    expires_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY epoch
TTL toDateTime(expires_at) + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 10000;
