-- Under how many keys, one over the other, all contacts are stored: the generation to which a collector with as many keys has brought what was
-- stored before. Without a row it is the first.
CREATE TABLE IF NOT EXISTS ${database}.contact_generations
(
    generation UInt16,
    renewed_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY generation;
