-- Who was erased and is not to come back, so that all collectors of this database know: each has it in its data folder too, and asks here
-- before it loads. Keyed hashes, which tell nothing without the key of contacts.
CREATE TABLE IF NOT EXISTS ${database}.suppressions
(
    id String COMMENT 'of the erasure',
    record String COMMENT 'as in suppressed.json',
    is_back Bool COMMENT 'they are taken again',
    changed_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(is_back)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
