-- name: candidates_strangers
-- How often two devices of one country, taken by lot, are alike: such pairs are strangers to each other, but for a few.
-- parameters: run UInt64, sample UInt32, rounds UInt32
-- returns: pattern String, pairs UInt64
-- reads: identity_candidate_devices
SELECT arrayStringConcat([${own}], ',') AS pattern, count() AS pairs
FROM
(
    SELECT drawn[place] AS device_low, drawn[place + 1] AS device_high
    FROM
    (
        SELECT lot, arrayMap(one -> one.3, arraySort(groupArray((country, sipHash64(device_node, lot), device_node)))) AS drawn
        FROM
        (
            SELECT device_node, country
            FROM identity_candidate_devices
            WHERE run = {run:UInt64}
            ORDER BY sipHash64(device_node), device_node
            LIMIT {sample:UInt32}
        ) AS sampled
        CROSS JOIN (SELECT number AS lot FROM numbers({rounds:UInt32})) AS lots
        GROUP BY lot
    )
    ARRAY JOIN range(1, length(drawn), 2) AS place
) AS pairs
INNER JOIN (SELECT * FROM identity_candidate_devices WHERE run = {run:UInt64}) AS low ON low.device_node = pairs.device_low
INNER JOIN (SELECT * FROM identity_candidate_devices WHERE run = {run:UInt64}) AS high ON high.device_node = pairs.device_high
WHERE low.country = high.country
GROUP BY pattern
