-- The journey definitions that were in force, the text of journey.toml as it was given; the newest holds.
CREATE TABLE IF NOT EXISTS ${database}.journey_definitions
(
    defined_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC'),
    text String
)
ENGINE = MergeTree ORDER BY defined_at;
