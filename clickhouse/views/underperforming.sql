-- name: underperforming
-- At each stage: on which channels, devices, sources, campaigns, contents or pages fewer people went on than of the rest, beyond chance.
-- parameters: by String = channel, met String = first, z Float64 = 2.576, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: stage String, part String, people UInt64, rate Float64, rest_people UInt64, rest_rate Float64, difference Nullable(Float64), lower Nullable(Float64), upper Nullable(Float64), verdict String, missing Nullable(Float64)
-- reads: journey_stages, journey_events
--
-- A person is at a stage from their first event there to the first event after it in a later stage, by which they went on. `people` are
-- those whose first event of the stage with a part was with this one, `rest_people` all others at the stage. met = 'any': people had any
-- event of the stage with it in that time; whoever stays long meets more, so parts that are met late look worse than they are.
-- difference: rate - rest_rate, with Newcombe's interval, which is made of the two Wilson intervals. z: 1.96 is right in 95 of 100 rows,
-- 2.576 in 99. verdict: `under` or `over` where 0 is outside the interval, else empty. missing: how many more people would have gone on
-- at the rest's rate. The last stage and stages that journey.toml does not have are left out; by `page`, addresses without query and fragment.
WITH
    (rate, number, z, side) -> (rate + z * z / 2 / number + side * z * sqrt((rate * (1 - rate) + z * z / 4 / number) / number)) / (1 + z * z / number) AS wilson,
    (SELECT arrayMap(one -> toString(one.2), arraySort(groupArray((position, stage)))) FROM journey_stages) AS known,
    (channel, device_type, source, campaign, content, url) -> multiIf(
        {by:String} = 'channel', channel, {by:String} = 'device', device_type, {by:String} = 'source', source,
        {by:String} = 'campaign', campaign, {by:String} = 'content', content, cutQueryString(cutFragment(url))) AS named,
    (SELECT arrayFilter(one -> one != '', groupUniqArray(named(toString(channel), toString(device_type), toString(campaign_source),
        toString(campaign_name), toString(campaign.content), page.url))) FROM journey_events) AS words,
    counted AS
    (
        SELECT
            place,
            part,
            count() AS n1,
            sum(went_on) AS x1,
            sumIf(n1, part = 0) OVER (PARTITION BY place) - n1 AS n2,
            sumIf(x1, part = 0) OVER (PARTITION BY place) - x1 AS x2,
            x1 / n1 AS p1,
            if(n2 = 0, 0, x2 / n2) AS p2
        FROM
        (
            SELECT
                place,
                later > 0 AS went_on,
                arrayMap(one -> intDiv(one, length(known) + 1), arrayFilter(
                    one -> one % (length(known) + 1) = place AND one > length(known),
                    arraySlice(events, began, if(went_on, later, length(events) + 1) - began))) AS all_parts,
                -- 0 stands for everybody at the stage.
                arrayPushFront(if({met:String} = 'any', arrayDistinct(all_parts), arraySlice(all_parts, 1, 1)), 0) AS parts
            FROM
            (
                SELECT
                    place,
                    events,
                    indexOf(places, place) AS began,
                    arrayFirstIndex((one, at) -> one > place AND at > began, places, arrayEnumerate(places)) AS later
                FROM
                (
                    SELECT
                        arrayMap(one -> toUInt32(one), arraySort(groupArray(turn + word * (length(known) + 1) + place))) AS events,
                        arrayMap(one -> one % (length(known) + 1), events) AS places
                    FROM
                    (
                        SELECT
                            if({stitched:UInt8} = 1, person_id, device_node) AS who,
                            turn,
                            toUInt32(transform(journey_stage, known, arrayEnumerate(known), 0)) AS place,
                            toUInt32(transform(named(toString(channel), toString(device_type), toString(campaign_source), toString(campaign_name),
                                toString(campaign.content), page.url), words, arrayEnumerate(words), 0)) AS word
                        FROM journey_events
                        WHERE occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
                            AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
                            AND NOT throwIf({by:String} NOT IN ('channel', 'device', 'source', 'campaign', 'content', 'page'),
                                'by is channel, device, source, campaign, content or page')
                            AND NOT throwIf({met:String} NOT IN ('first', 'any'), 'met is first or any')
                            AND place != 0 AND who != 0
                    )
                    GROUP BY who
                )
                ARRAY JOIN arrayDistinct(places) AS place
                WHERE place < length(known)
            )
        )
        ARRAY JOIN parts AS part
        GROUP BY place, part
    )
SELECT
    known[place] AS stage,
    words[counted.part] AS part,
    n1 AS people,
    p1 AS rate,
    toUInt64(n2) AS rest_people,
    p2 AS rest_rate,
    if(n2 = 0, NULL, p1 - p2) AS difference,
    difference - sqrt(pow(p1 - wilson(p1, n1, {z:Float64}, -1), 2) + pow(wilson(p2, n2, {z:Float64}, 1) - p2, 2)) AS lower,
    difference + sqrt(pow(wilson(p1, n1, {z:Float64}, 1) - p1, 2) + pow(p2 - wilson(p2, n2, {z:Float64}, -1), 2)) AS upper,
    multiIf(ifNull(upper < 0, 0), 'under', ifNull(lower > 0, 0), 'over', '') AS verdict,
    -difference * n1 AS missing
FROM counted
WHERE counted.part != 0
ORDER BY place, upper, part
