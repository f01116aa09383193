-- name: funnel
-- How many people did each step after the ones before it and within a time, and how long it took them, by `breakdown`.
-- parameters: by String = stage, steps Array(String) = , order String = ordered, window_s UInt32 = 2592000, breakdown String = , since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: part String, step UInt16, name String, people UInt64, of_first Float64, of_previous Float64, p50_s Nullable(Float64), p90_s Nullable(Float64)
-- reads: funnel_ways
--
-- The steps, and the way that counts for each person, are those of funnel_ways. The time between two steps is that from the last time the
-- earlier one was done.
WITH parts AS
    (
        SELECT
            part,
            any(names) AS wanted,
            sumForEach(arrayMap(step -> toUInt64(step <= reached), arrayEnumerate(names))) AS counts,
            quantilesExactForEach(0.5, 0.9)(arrayMap((one, before) -> (toUnixTimestamp64Milli(one) - toUnixTimestamp64Milli(before)) / 1000,
                arrayPopFront(times), arrayPopBack(times))) AS gaps
        FROM funnel_ways(by = {by:String}, steps = {steps:Array(String)}, order = {order:String}, window_s = {window_s:UInt32},
            breakdown = {breakdown:String}, left_to = '', since = {since:String}, until = {until:String}, stitched = {stitched:UInt8})
        GROUP BY part
    )
SELECT
    part,
    toUInt16(place) AS step,
    if({order:String} = 'any', concat(toString(place), ' of ', toString(length(wanted))), wanted[place]) AS name,
    counts[place] AS people,
    people / counts[1] AS of_first,
    if(place = 1, 1, if(counts[place - 1] = 0, 0, people / counts[place - 1])) AS of_previous,
    if(place > 1 AND people > 0, gaps[place - 1][1], NULL) AS p50_s,
    if(place > 1 AND people > 0, gaps[place - 1][2], NULL) AS p90_s
FROM parts
ARRAY JOIN arrayEnumerate(counts) AS place
ORDER BY counts[1] DESC, part, place
