-- A link of two users sent with a server's key makes one account of them.
ALTER TABLE ${database}.identity_edges MODIFY COLUMN kind Enum8('login' = 1, 'link' = 2, 'contact' = 3, 'merge' = 4);
ALTER TABLE ${database}.identity_quarantine_raw MODIFY COLUMN kind Enum8('login' = 1, 'link' = 2, 'contact' = 3, 'merge' = 4);

-- Who is two people: evidence between the two not seen since `unlinked_at` does not join them, unless it was withdrawn after that.
-- Each pair stands in both directions. Read it with GROUP BY node, neighbour.
CREATE TABLE IF NOT EXISTS ${database}.identity_unlinks
(
    node UInt64,
    neighbour UInt64,
    unlinked_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    relinked_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    event_id SimpleAggregateFunction(any, UUID) COMMENT 'a sample; its event holds the reason'
)
ENGINE = AggregatingMergeTree
ORDER BY (node, neighbour)
SETTINGS index_granularity = 1024;

-- Who used a device in which session: a login, an event with a user, an e-mail or a card given, a logout. Only ever added to.
-- Each login and logout counts; of the others the earliest.
CREATE TABLE IF NOT EXISTS ${database}.identity_claims
(
    device_node UInt64,
    session_node UInt64,
    kind Enum8('logout' = 0, 'login' = 1, 'signed_in' = 2, 'contact' = 3),
    node UInt64 COMMENT 'the identifier; 0 at a logout',
    moment DateTime64(3, 'UTC') COMMENT 'of a login or logout',
    at SimpleAggregateFunction(min, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (device_node, session_node, kind, node, moment)
SETTINGS index_granularity = 1024;

-- Every decision on who owns a session on a shared device: from starts[i] until starts[i + 1] the person of owners[i], 0 nobody.
CREATE TABLE IF NOT EXISTS ${database}.identity_sessions
(
    session_node UInt64,
    device_node UInt64,
    known_from DateTime64(6, 'UTC'),
    starts Array(DateTime64(3, 'UTC')),
    owners Array(UInt64),
    INDEX known_from known_from TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (session_node, known_from)
SETTINGS index_granularity = 1024;

-- The rules that the persons of now were decided by: a change takes effect with a full rebuild.
CREATE TABLE IF NOT EXISTS ${database}.identity_rules
(
    decided_at DateTime64(6, 'UTC'),
    rules String COMMENT 'JSON; empty while a rebuild writes',
    blocked Array(UInt64) COMMENT 'nodes of the values that name nobody'
)
ENGINE = MergeTree
ORDER BY decided_at;
