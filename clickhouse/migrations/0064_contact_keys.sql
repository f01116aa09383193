-- Under which keys, one over the other, this database stores e-mails and phone numbers: so that no collector stores them under others, by
-- which one address would be two people. A mark tells that a key is the same one, and nothing else of it.
CREATE TABLE IF NOT EXISTS ${database}.contact_keys
(
    generation UInt16 COMMENT '1 is the oldest key',
    mark String COMMENT 'HMAC-SHA256 of a fixed text under the key, the first 32 digits',
    first_seen_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY generation;
