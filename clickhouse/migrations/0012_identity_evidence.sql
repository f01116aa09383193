-- Evidence: which identifiers were seen together. Only ever added to; each edge stands in both directions, so that the
-- neighbours of a node are one look-up by the sorting key. Read it with GROUP BY node, neighbour, kind.
CREATE TABLE IF NOT EXISTS ${database}.identity_edges
(
    node UInt64,
    neighbour UInt64,
    kind Enum8('login' = 1, 'link' = 2, 'contact' = 3),
    namespace SimpleAggregateFunction(any, LowCardinality(String)),
    neighbour_namespace SimpleAggregateFunction(any, LowCardinality(String)),
    is_place SimpleAggregateFunction(max, UInt8) COMMENT 'node is a device of a type that belongs to nobody',
    neighbour_is_place SimpleAggregateFunction(max, UInt8),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    known_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    event_id SimpleAggregateFunction(any, UUID) COMMENT 'a sample',
    sessions SimpleAggregateFunction(groupUniqArrayArray(64), Array(UInt64)) COMMENT 'length() counts them, up to 64'
)
ENGINE = AggregatingMergeTree
ORDER BY (node, neighbour, kind)
SETTINGS index_granularity = 1024;

-- What a node stands for.
CREATE TABLE IF NOT EXISTS ${database}.identity_nodes
(
    node UInt64,
    namespace SimpleAggregateFunction(any, LowCardinality(String)),
    value SimpleAggregateFunction(any, String),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY node
SETTINGS index_granularity = 1024;
