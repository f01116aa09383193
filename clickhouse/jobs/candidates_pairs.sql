-- name: candidates_pairs
-- Pairs of devices that were in one network which is not everybody's, and how alike they are.
-- parameters: run UInt64, most_devices UInt32, most_pairs UInt32
-- writes: identity_candidate_pairs
-- reads: identity_candidate_devices
INSERT INTO identity_candidate_pairs
    (run, device_low, device_high, low_name, high_name, shared_networks, closeness, days_together, time_shared, rhythm, pattern)
SELECT
    {run:UInt64}, device_low, device_high, low.name, high.name, shared_networks, closeness, days_together,
    least(low_days / low.days, high_days / high.days) AS time_shared,
    arrayDotProduct(low.week, high.week) AS rhythm,
    arrayStringConcat([
        ${networks},
        ${own}
    ], ',')
FROM
(
    SELECT *
    FROM
    (
        SELECT
            low.1 AS device_low,
            high.1 AS device_high,
            count() AS shared_networks,
            sum(1 / (devices - 1)) AS closeness,
            sum(length(arrayIntersect(low.2, high.2))) AS days_together,
            sum(length(low.2)) AS low_days,
            sum(length(high.2)) AS high_days
        FROM
        (
            SELECT low, arrayJoin(arraySlice(members, place + 1)) AS high, length(members) AS devices
            FROM
            (
                SELECT arraySort(groupArray((device_node, days))) AS members
                FROM
                (
                    SELECT sighting.1 AS network, device_node, groupArray(sighting.2) AS days
                    FROM identity_candidate_devices
                    ARRAY JOIN sightings AS sighting
                    WHERE run = {run:UInt64}
                    GROUP BY network, device_node
                )
                GROUP BY network
                HAVING count() BETWEEN 2 AND {most_devices:UInt32}
            )
            ARRAY JOIN members AS low, arrayEnumerate(members) AS place
        )
        GROUP BY device_low, device_high
        ORDER BY closeness DESC, days_together DESC, device_low, device_high
        LIMIT {most_pairs:UInt32} BY device_low
    )
    ORDER BY closeness DESC, days_together DESC, device_low, device_high
    LIMIT {most_pairs:UInt32} BY device_high
) AS pairs
-- Joined last: a week is 168 numbers, and must not be sorted with the pairs.
INNER JOIN (SELECT device_node, name, timezone, locale, system, model, length(sightings) AS days, active_hours, week FROM identity_candidate_devices WHERE run = {run:UInt64}) AS low ON low.device_node = pairs.device_low
INNER JOIN (SELECT device_node, name, timezone, locale, system, model, length(sightings) AS days, active_hours, week FROM identity_candidate_devices WHERE run = {run:UInt64}) AS high ON high.device_node = pairs.device_high
