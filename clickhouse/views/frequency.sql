-- name: frequency
-- How often people met a campaign, source or offer over all channels, also after they bought, and what a cap would have saved.
-- parameters: by String = campaign, contacts Array(String) = , conversion String = , to_stage String = purchase, cap UInt16 = 3, cap_s UInt32 = 604800, gap_s UInt32 = 1800, since String = 1970-01-01, until String = 2100-01-01, stitched UInt8 = 1
-- returns: part String, people UInt64, contacts UInt64, per_person Float64, p90 UInt64, most UInt64, again UInt64, on_more_channels UInt64, after_conversion UInt64, over_cap UInt64, saved UInt64, saved_share Float64
-- reads: journey_events
--
-- A contact: an event with the campaign (source, or `properties.offer`), of those named in `contacts` or of any name, at least `gap_s` after
-- the person's last such event: an e-mail and the page it leads to are one. again: people with two contacts or more;
-- on_more_channels: people who met it on two channels or more. after_conversion: contacts after the person's first event named
-- `conversion`, or that reaches the milestone of that name; empty: in the stage `to_stage`. Such events are no contacts, and the first
-- one counts when it was before `since` too. over_cap: contacts that would not have been made, had there been at most `cap` in any `cap_s`.
-- saved: those, and those after the conversion, each once.
SELECT
    part,
    count() AS people,
    sum(length(times)) AS contacts,
    contacts / people AS per_person,
    quantileExact(0.9)(length(times)) AS p90,
    max(length(times)) AS most,
    countIf(length(times) > 1) AS again,
    countIf(length(arrayDistinct(arrayFilter(channel -> channel != '', channels))) > 1) AS on_more_channels,
    sum(arrayCount(one -> one.2, times)) AS after_conversion,
    toUInt64(sum(length(times) - length(made))) AS over_cap,
    toUInt64(sum(length(times) - arrayCount(one -> NOT one.2, made))) AS saved,
    saved / contacts AS saved_share
FROM
(
    SELECT
        part,
        arrayFilter(one -> one.4 = part AND NOT one.6, events) AS met,
        arrayMap(one -> one.5, met) AS channels,
        arrayMap(
            one -> (one.1, bought.6 AND (one.1, one.2, one.3) > (bought.1, bought.2, bought.3)),
            arrayFilter(
                (one, before) -> one.1 - before >= toInt64({gap_s:UInt32}) * 1000,
                met, arraySlice(arrayPushFront(arrayMap(one -> one.1, met), -1000000000000000), 1, length(met)))) AS times,
        arrayFold(
            (made, one) -> if(
                length(made) >= {cap:UInt16} AND one.1 - made[length(made) - {cap:UInt16} + 1].1 < toInt64({cap_s:UInt32}) * 1000,
                made, arrayPushBack(made, one)),
            times, arrayResize(times, 0)) AS made
    FROM
    (
        SELECT
            arraySort(groupArray((
                toUnixTimestamp64Milli(occurred_at), seq, UUIDToNum(event_id),
                toString(multiIf(
                    occurred_at < parseDateTime64BestEffort({since:String}, 3, 'UTC'), '',
                    notEmpty({contacts:Array(String)}) AND NOT has({contacts:Array(String)}, name), '',
                    {by:String} = 'campaign', campaign_name, {by:String} = 'source', campaign_source,
                    ifNull(CAST(properties.offer, 'Nullable(String)'), ''))),
                toString(channel),
                if({conversion:String} = '', journey_stage = {to_stage:String}, name = {conversion:String} OR has(milestones, {conversion:String})))))
                AS events,
            arrayFirst(one -> one.6, events) AS bought
        FROM journey_events
        WHERE occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
            AND NOT throwIf({by:String} NOT IN ('campaign', 'source', 'offer'), 'by is campaign, source or offer')
            AND NOT throwIf({cap:UInt16} = 0, 'cap is 1 or more')
            AND (
                if({conversion:String} = '', journey_stage = {to_stage:String}, name = {conversion:String} OR has(milestones, {conversion:String}))
                OR occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
                    AND (empty({contacts:Array(String)}) OR has({contacts:Array(String)}, name))
                    AND multiIf({by:String} = 'campaign', campaign_name, {by:String} = 'source', campaign_source,
                        ifNull(CAST(properties.offer, 'Nullable(String)'), '')) != '')
            AND if({stitched:UInt8} = 1, person_id, device_node) != 0
        GROUP BY if({stitched:UInt8} = 1, person_id, device_node)
        HAVING arrayExists(one -> one.4 != '' AND NOT one.6, events)
    )
    ARRAY JOIN arrayDistinct(arrayMap(one -> one.4, arrayFilter(one -> one.4 != '' AND NOT one.6, events))) AS part
)
GROUP BY part
ORDER BY contacts DESC, part
