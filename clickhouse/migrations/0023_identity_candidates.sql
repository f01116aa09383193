-- Probable links: pairs of devices that one person or household may own, with how probable that is. They are shown to people and
-- never join anybody. Each run has a partition in each table; it is seen once its row in identity_candidate_models is there.
CREATE TABLE IF NOT EXISTS ${database}.identity_candidate_pairs
(
    run UInt64 COMMENT 'microseconds since 1970',
    device_low UInt64,
    device_high UInt64,
    low_name String COMMENT 'namespace:value',
    high_name String,
    shared_networks UInt32,
    closeness Float32 COMMENT 'sum of 1 / (devices - 1) over the networks they share: 1 is a network of just these two',
    days_together UInt32 COMMENT 'days on which both were in one network, counted for each network',
    time_shared Float32 COMMENT 'share of its network days that the one which is elsewhere more spends in shared networks',
    rhythm Float32 COMMENT 'cosine of their hours of the week',
    pattern LowCardinality(String) COMMENT 'levels of the features, in the order of identity_candidate_models.features'
)
ENGINE = ReplacingMergeTree
PARTITION BY run
ORDER BY (device_low, device_high);

-- What installations are compared by, for as long as a run takes.
CREATE TABLE IF NOT EXISTS ${database}.identity_candidate_devices
(
    run UInt64,
    device_node UInt64,
    name String,
    country LowCardinality(String),
    timezone LowCardinality(String),
    locale LowCardinality(String),
    system LowCardinality(String),
    model LowCardinality(String),
    first_seen DateTime64(3, 'UTC'),
    last_seen DateTime64(3, 'UTC'),
    sightings Array(Tuple(network UInt64, day Date)),
    active_hours UInt32,
    week Array(Float32) COMMENT 'how much it is used at each of the 168 hours of a week, of length 1'
)
ENGINE = ReplacingMergeTree
PARTITION BY run
ORDER BY device_node;

-- What a run has learnt: how often each level is seen of pairs that belong together (m) and of others (u).
CREATE TABLE IF NOT EXISTS ${database}.identity_candidate_levels
(
    run UInt64,
    feature LowCardinality(String),
    level LowCardinality(String),
    m Float64,
    u Float64,
    weight Float64 COMMENT 'log2(m / u)'
)
ENGINE = ReplacingMergeTree
PARTITION BY run
ORDER BY (feature, level);

CREATE TABLE IF NOT EXISTS ${database}.identity_candidate_patterns
(
    run UInt64,
    pattern LowCardinality(String),
    pairs UInt64,
    weight Float64 COMMENT 'sum of the weights of its levels',
    probability Float64
)
ENGINE = ReplacingMergeTree
PARTITION BY run
ORDER BY pattern;

-- Written last: a run that died is never seen.
CREATE TABLE IF NOT EXISTS ${database}.identity_candidate_models
(
    run UInt64,
    decided_at DateTime64(6, 'UTC'),
    version UInt16 COMMENT 'of the features and of how they are learnt',
    features Array(String),
    prior Float64 COMMENT 'share of pairs in a common network that belong together',
    devices UInt64,
    pairs UInt64,
    rounds UInt32,
    networks_learnt Bool COMMENT 'false: the other features tell too little; how probable a shared network makes a pair is assumed'
)
ENGINE = ReplacingMergeTree
ORDER BY run;

-- The latest run. `is_one_person`: the evidence says so already, without any probability.
CREATE OR REPLACE VIEW ${database}.identity_candidates AS
SELECT
    device_low, device_high, low_name, high_name,
    mapFromArrays(models.features, splitByChar(',', toString(pairs.pattern))) AS features,
    shared_networks, closeness, days_together, time_shared, rhythm,
    patterns.weight AS weight, patterns.probability AS probability,
    dictGetOrDefault('${database}.identity_recent', 'person_id', device_low,
        dictGetOrDefault('${database}.identity_base', 'person_id', device_low, device_low)) AS person_low,
    dictGetOrDefault('${database}.identity_recent', 'person_id', device_high,
        dictGetOrDefault('${database}.identity_base', 'person_id', device_high, device_high)) AS person_high,
    person_low = person_high AND person_low != 0 AS is_one_person,
    models.networks_learnt AS networks_learnt, models.version AS version, models.decided_at AS decided_at
FROM (SELECT * FROM ${database}.identity_candidate_pairs FINAL WHERE run = (SELECT max(run) FROM ${database}.identity_candidate_models)) AS pairs
INNER JOIN (SELECT * FROM ${database}.identity_candidate_patterns FINAL WHERE run = (SELECT max(run) FROM ${database}.identity_candidate_models)) AS patterns ON pairs.pattern = patterns.pattern
INNER JOIN (SELECT * FROM ${database}.identity_candidate_models FINAL WHERE run = (SELECT max(run) FROM ${database}.identity_candidate_models)) AS models ON pairs.run = models.run
-- What became nobody's after the run is no candidate any more.
WHERE person_low != 0 AND person_high != 0;
