"""Made-up events for measuring the schema, written by ClickHouse itself.

In: how many events. Out: a table `made` with the loader's columns, `properties` as text.
Guaranteed: the same events on every run (everything is a hash of the event's number). Sessions of 8 events; people
have 1 to 4 devices and a skewed share of sessions; 90 days with a daily rhythm; 45 % of people sign in, 20 % of sessions
come from a campaign; a page, an app and a shop's property names; half of all batches arrive within two seconds and
2 % of sessions up to two days late.
"""

from __future__ import annotations

EVENTS_PER_SESSION = 8
EVENTS_PER_PERSON = 20
FIRST_DAY = "2026-08-24 00:00:00"  # day 0; the last event arrives 90 days later
DAYS = 90

# One step per layer, so that each figure is drawn once: event -> session -> person -> device.
MAKE = """
CREATE TABLE made ENGINE = MergeTree ORDER BY received_at AS
WITH
    (n, salt) -> sipHash64(salt, n) AS h,
    (n, salt) -> (sipHash64(salt, n) % 1000000) / 1000000 AS u
SELECT
    toUUID(concat(substring(ms_hex, 1, 8), '-', substring(ms_hex, 9, 4), '-7', substring(tail, 1, 3), '-b', substring(tail, 4, 3),
                  '-', substring(tail, 7, 12))) AS event_id,
    if(name = 'page_viewed', 'page', if(name = 'signed_in', 'identify', 'track')) AS type,
    ['page_viewed', 'product_viewed', 'page_viewed', 'product_viewed', 'product_searched', 'product_added',
     'checkout_started', 'order_completed', 'signed_in', 'coupon_applied', 'wishlist_added', 'support_opened'][
        multiIf(step = 0, 1, step = 1, 2, step = 5, if(u(session, 'a') < 0.4, 6, 4), step = 6, if(u(session, 'a') < 0.2, 7, 1),
                step = 7, if(u(session, 'a') < 0.12, 8, 2), 1 + h(n, 'n') % 12)] AS name,
    toDateTime64(device_ms / 1000, 3, 'UTC') AS occurred_at,
    occurred_at AS device_time,
    intDiv(session, 40) * 8 + step AS seq,
    mapConcat(map('anonymous', hex(h(device_number, 'anonymous'))),
              if(signs_in AND step > 2, map('user', concat('u', toString(person))), CAST(map(), 'Map(String, String)')),
              if(signs_in AND name = 'order_completed', map('email', lower(hex(SHA256(toString(person))))),
                 CAST(map(), 'Map(String, String)'))) AS identifiers,
    CAST(map(), 'Map(String, String)') AS linked,
    ['web', 'mobile_web', 'app', 'app', 'email', 'store'][1 + h(device_number, 'channel') % 6] AS channel,
    multiIf(name IN ('page_viewed', 'product_searched'), 'awareness', name = 'product_viewed', 'consideration',
            name IN ('order_completed'), 'purchase', 'intent') AS stage,
    concat(lower(hex(h(session, 's'))), lower(hex(h(session, 't')))) AS session_id,
    CAST(if(channel = 'app', ('', '', ''), (concat('https://shop.example/products/', toString(h(n, 'p') % 5000), '?ref=', toString(h(n, 'r') % 40)),
         concat('Product ', toString(h(n, 'p') % 5000), ' - Example Shop'),
         if(step = 0, 'https://www.google.example/search', concat('https://shop.example/category/', toString(h(n, 'c') % 60))))),
         'Tuple(url String, title String, referrer String)') AS page,
    CAST(if(u(session, 'campaign') < 0.2, ('google', 'cpc', concat('autumn_', toString(h(session, 'c') % 30)), '', '',
         lower(hex(h(session, 'click')))), ('', '', '', '', '', '')),
         'Tuple(source String, medium String, name String, term String, content String, click_id String)') AS campaign,
    map('analytics', true, 'marketing', signs_in) AS consent,
    if(name IN ('page_viewed', 'signed_in', 'support_opened'),
       concat('{"path_group":"', ['home', 'product', 'category', 'help'][1 + h(n, 'g') % 4], '","load_ms":', toString(200 + h(n, 'l') % 3000), '}'),
       concat('{"sku":"SKU-', toString(h(n, 'p') % 5000), '","price":', toString(round(5 + u(n, 'price') * 400, 2)),
              ',"currency":"EUR","category":"', ['shoes', 'coats', 'bags', 'hats', 'books'][1 + h(n, 'p') % 5],
              '","position":', toString(h(n, 'pos') % 40), ',"list":"search results","in_stock":', if(h(n, 'i') % 9 = 0, 'false', 'true'),
              if(name = 'order_completed', concat(',"order_id":"', toString(session), '","total":', toString(round(20 + u(n, 't') * 900, 2))), ''), '}')) AS properties,
    CAST((lower(concat(hex(h(device_number, 'd')), hex(h(device_number, 'e')))), ['desktop', 'phone', 'phone', 'tablet', 'phone', 'pos'][1 + h(device_number, 'channel') % 6],
          ['Windows', 'iOS', 'Android', 'macOS'][1 + h(device_number, 'os') % 4], concat(toString(10 + h(device_number, 'v') % 9), '.', toString(h(device_number, 'w') % 6)),
          ['Apple', 'Samsung', 'Google', 'Dell'][1 + h(device_number, 'm') % 4], concat('model-', toString(h(device_number, 'mo') % 300)),
          concat('5.', toString(h(device_number, 'av') % 12), '.', toString(intDiv(n, 500000))), ['en-GB', 'de-DE', 'fr-FR', 'es-ES'][1 + h(person, 'loc') % 4],
          ['Europe/London', 'Europe/Berlin', 'Europe/Paris', 'Europe/Madrid'][1 + h(person, 'loc') % 4], 390 + h(device_number, 'x') % 4 * 400, 844),
         'Tuple(id String, type String, os String, os_version String, manufacturer String, model String, app_version String,
                locale String, timezone String, screen_width UInt16, screen_height UInt16)') AS device,
    toDateTime64((device_ms + delay_ms) / 1000, 3, 'UTC') AS sent_at,
    toDateTime64((device_ms + delay_ms + 40 + h(n, 'net') % 200) / 1000, 3, 'UTC') AS received_at,
    'shop' AS source,
    CAST(if(channel = 'app', ('stitchline-mobile', '0.3.1'), ('stitchline-js', '0.2.0')), 'Tuple(name String, version String)') AS sdk,
    concat(toString(h(person, 'ip') % 223), '.', toString(h(person, 'ip2') % 255), '.', toString(h(person, 'ip3') % 255), '.0') AS ip,
    CAST((['GB', 'DE', 'FR', 'ES'][1 + h(person, 'loc') % 4], concat('region-', toString(h(person, 'reg') % 40)), concat('city-', toString(h(person, 'city') % 900))),
         'Tuple(country String, region String, city String)') AS geo,
    CAST((['Chrome', 'Safari', 'Firefox', 'Edge'][1 + h(device_number, 'br') % 4], toString(120 + h(device_number, 'bv') % 20), device.os, device.os_version, device.model, false),
         'Tuple(browser String, browser_version String, os String, os_version String, device String, is_bot Bool)') AS agent,
    CAST((if(h(device_number, 'clock') % 20 = 0, toInt64(h(device_number, 'off') % 100000), 0), 0.9), 'Tuple(offset_ms Int64, confidence Float32)') AS clock
FROM
(
    SELECT
        number AS n, intDiv(number, 8) AS session, number % 8 AS step,
        toUInt64(pow(u(session, 'person'), 1.6) * {people:UInt64}) AS person,
        person * 4 + h(session, 'device') % (1 + h(person, 'devices') % 4) AS device_number,
        h(person, 'signs in') % 100 < 45 AS signs_in,
        toUnixTimestamp64Milli(toDateTime64({first_day:String}, 3, 'UTC')) AS epoch,
        toUInt64(session / ({events:UInt64} / 8) * {days:UInt64}) * 86400000 AS day_ms,
        toUInt64(least(u(session, 'hour'), u(session, 'hour2') + 0.3) * 86300000) AS time_ms,
        epoch + day_ms + time_ms + step * 25000 + h(n, 'jitter') % 20000 AS device_ms,
        if(h(session, 'late') % 50 = 0, h(session, 'delay') % 172800000, h(n, 'delay') % 2000) AS delay_ms,
        leftPad(lower(hex(device_ms)), 12, '0') AS ms12, right(ms12, 12) AS ms_hex,
        lower(concat(hex(h(n, 'id1')), leftPad(hex(h(n, 'id2')), 16, '0'))) AS tail
    FROM numbers({events:UInt64})
)
SETTINGS max_threads = 1
"""
