-- name: words_of
-- Which words all events use for one thing: each once, whoever used it and whenever.
-- parameters: kind String = channel
-- returns: word String
-- reads: journey_stages, events_raw
--
-- kind: `channel`, `device` (its type), `source`, `campaign`, `country`, `stage` (those of journey.toml too) or `event` (its name, or without
-- one its type). Views that gather numbers instead of words ask it first. It does not look for copies, so it costs next to nothing.
SELECT DISTINCT word FROM
(
    SELECT toString(channel) AS word FROM events_raw WHERE {kind:String} = 'channel' GROUP BY channel
    UNION ALL SELECT toString(device.type) FROM events_raw WHERE {kind:String} = 'device' GROUP BY device.type
    UNION ALL SELECT toString(campaign.source) FROM events_raw WHERE {kind:String} = 'source' GROUP BY campaign.source
    UNION ALL SELECT toString(campaign.name) FROM events_raw WHERE {kind:String} = 'campaign' GROUP BY campaign.name
    UNION ALL SELECT toString(geo.country) FROM events_raw WHERE {kind:String} = 'country' GROUP BY geo.country
    UNION ALL SELECT toString(stage) FROM events_raw WHERE {kind:String} = 'stage' GROUP BY stage
    UNION ALL SELECT toString(stage) FROM journey_stages WHERE {kind:String} = 'stage'
    UNION ALL SELECT if(name = '', toString(type), toString(name)) FROM events_raw WHERE {kind:String} = 'event' GROUP BY name, type
    UNION ALL SELECT '' WHERE throwIf({kind:String} NOT IN ('channel', 'device', 'source', 'campaign', 'country', 'stage', 'event'),
        'kind is channel, device, source, campaign, country, stage or event')
)
WHERE word != ''
ORDER BY word
