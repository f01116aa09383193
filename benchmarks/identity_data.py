"""Made-up people for measuring identity, written by ClickHouse itself: evidence, persons and events.

In: how many people and events. Out: rows of the product's own tables. Guaranteed: the same rows on every run (everything is a hash of a
number), and evidence as the stitcher would have recorded it, each edge in both directions.

Of 100 people 80 have a user and 50 an e-mail; they have one to four devices and sign in on nine of ten; 40 % of devices have an
anonymous id too. One device in 100 people is shared by up to four users; there are some kiosks, and some addresses that hundreds
typed. 0.5 % of the people with a user and an e-mail type a second one, which must be refused. That makes 5 identifiers and 4 edges
a person.
"""

from __future__ import annotations

from collections.abc import Iterator

from stitchline_collector.engine import Session

EVENTS_PER_SESSION = 8
FIRST_DAY = "2026-08-24 00:00:00"  # day 0 of the events
DAYS = 90
FRESH_PARTS = 10  # of the last day, as it comes in
_HISTORY_ROWS = 2_500_000  # events of one insert

# A person is a number `p`; a device `p * 4 + k`, shared devices and kiosks come after all of these.
_PERSON = """
    (salt, n) -> sipHash64(salt, n) % 100 AS percent,
    p -> percent('user', p) < 80 OR p % 100 < 4 AS has_user,
    p -> percent('email', p) < 50 AS has_email,
    p -> multiIf(percent('devices', p) < 15, 1, percent('devices', p) < 45, 2, percent('devices', p) < 80, 3, 4) AS devices_of,
    d -> percent('anonymous', d) < 40 AS has_anonymous,
    d -> has_user(intDiv(d, 4)) AND (d % 4 = 0 OR percent('signs in', d) < 90) AS signs_in,
    p -> has_user(p) AND has_email(p) AND sipHash64('second', p) % 1000 < 5 AS has_second,
    s -> 2 + sipHash64('shared', s) % 3 AS users_of,
    p -> concat('u', toString(p)) AS user_value,
    d -> lower(hex(sipHash128('device', d))) AS device_value,
    d -> lower(hex(sipHash128('anonymous', d))) AS anonymous_value,
    p -> lower(concat(hex(sipHash128('email', p)), hex(sipHash128('email ', p)))) AS email_value,
    (namespace, value) -> sipHash64(namespace, '\\0', value) AS node_of,
    (people, shared) -> people * 4 + shared AS shared_device,
    (people, kiosk) -> people * 4 + intDiv(people, 100) + kiosk AS kiosk_device
"""

# (kind, namespace, value, neighbour_namespace, neighbour_value, is_place): one row per edge.
_OWN = """
SELECT p, arrayJoin(arrayConcat(
    arrayFlatten(arrayMap(d -> arrayConcat(
        if(signs_in(d), [('login', 'user', user_value(p), 'device', device_value(d), 0)], []),
        if(has_anonymous(d), [('login', 'device', device_value(d), 'anonymous', anonymous_value(d), 0)], []),
        if(has_anonymous(d) AND signs_in(d) AND percent('both', d) < 40,
            [('login', 'user', user_value(p), 'anonymous', anonymous_value(d), 0)], []),
        if(has_email(p) AND NOT has_user(p), [('contact', 'device', device_value(d), 'email', email_value(p), 0)], [])),
        devices)),
    if(has_email(p) AND has_user(p), [('login', 'user', user_value(p), 'email', email_value(p), 0),
        ('contact', 'device', device_value(p * 4), 'email', email_value(p), 0)], []),
    if(has_second(p), [('contact', 'user', user_value(p), 'email', concat('second', email_value(p)), 0),
        ('contact', 'device', device_value(p * 4), 'email', concat('second', email_value(p)), 0)], []))) AS edge
FROM (SELECT number AS p, arrayMap(k -> p * 4 + k, range(toUInt64(devices_of(p)))) AS devices FROM numbers({people:UInt64}))
"""
_SHARED = """
SELECT p, arrayMap(p -> ('login', 'user', user_value(p), 'device', device_value(shared_device({people:UInt64}, s)), 0), [p])[1] AS edge
FROM (SELECT number AS s, s * 100 + arrayJoin(range(toUInt64(users_of(s)))) AS p FROM numbers(intDiv({people:UInt64}, 100)))
"""
_KIOSKS = """
SELECT p, ('contact', 'device', device_value(kiosk_device({people:UInt64}, kiosk)), 'email', email_value(p), 1) AS edge
FROM (SELECT number AS kiosk, arrayJoin(range(30)) * 7919 + kiosk * 104729 AS number_, number_ % {people:UInt64} AS p
    FROM numbers(intDiv({people:UInt64}, 10000)))
WHERE has_email(p)
"""
_HUBS = """
SELECT p, ('contact', 'device', device_value(p * 4), 'email', concat('info', toString(hub)), 0) AS edge
FROM (SELECT number AS hub, (arrayJoin(range(toUInt64(11 + sipHash64('hub', hub) % 400))) * 7907 + hub * 1299709) % {people:UInt64} AS p
    FROM numbers(intDiv({people:UInt64}, 20000)))
"""
_MAKE_EDGES = f"""
CREATE TABLE made_edges ENGINE = MergeTree ORDER BY tuple() AS
WITH {_PERSON}
SELECT edge.1 AS kind, edge.2 AS namespace, edge.3 AS value, node_of(namespace, value) AS node, edge.4 AS neighbour_namespace,
    edge.5 AS neighbour_value, node_of(neighbour_namespace, neighbour_value) AS neighbour, toUInt8(edge.6) AS is_place,
    toDateTime64({{first_day:String}}, 3, 'UTC') - toIntervalSecond(sipHash64(node, neighbour) % 20000000) AS first_seen
FROM ({_OWN} UNION ALL {_SHARED} UNION ALL {_KIOSKS} UNION ALL {_HUBS})
"""
_EDGES = """
INSERT INTO identity_edges
SELECT ends.1, ends.2, kind, ends.3, ends.4, ends.5, ends.6, first_seen, first_seen + toIntervalDay(1), first_seen,
    reinterpretAsUUID(sipHash128(node, neighbour)), [sipHash64(node), sipHash64(neighbour)]
FROM made_edges
ARRAY JOIN [(node, neighbour, namespace, neighbour_namespace, is_place, 0), (neighbour, node, neighbour_namespace, namespace, 0, is_place)] AS ends
"""
_NODES = """
INSERT INTO identity_nodes
SELECT ends.1, any(ends.2), any(ends.3), min(first_seen)
FROM made_edges
ARRAY JOIN [(node, namespace, value), (neighbour, neighbour_namespace, neighbour_value)] AS ends
GROUP BY ends.1
"""

# What the rule must say of all that.
_MAKE_PERSONS = f"""
CREATE TABLE made_persons ENGINE = MergeTree ORDER BY node AS
WITH {_PERSON},
    d -> if(signs_in(d), node_of('user', user_value(intDiv(d, 4))),
        if(has_email(intDiv(d, 4)) AND NOT has_user(intDiv(d, 4)), node_of('email', email_value(intDiv(d, 4))),
            node_of('device', device_value(d)))) AS person_of
SELECT pair.1 AS node, pair.2 AS person_id
FROM
(
    SELECT arrayJoin(arrayConcat(
        arrayFlatten(arrayMap(d -> arrayConcat([(node_of('device', device_value(d)), person_of(d))],
            if(has_anonymous(d), [(node_of('anonymous', anonymous_value(d)), person_of(d))], [])),
            arrayMap(k -> p * 4 + k, range(toUInt64(devices_of(p)))))),
        if(has_user(p) AND has_email(p), [(node_of('email', email_value(p)), node_of('user', user_value(p)))], []))) AS pair
    FROM (SELECT number AS p FROM numbers({{people:UInt64}}))
    UNION ALL
    SELECT (node_of('device', device_value(shared_device({{people:UInt64}}, number))), 0) AS pair FROM numbers(intDiv({{people:UInt64}}, 100))
    UNION ALL
    SELECT (node_of('device', device_value(kiosk_device({{people:UInt64}}, number))), 0) AS pair FROM numbers(intDiv({{people:UInt64}}, 10000))
    UNION ALL
    SELECT (node_of('email', concat('info', toString(number))), 0) AS pair FROM numbers(intDiv({{people:UInt64}}, 20000))
)
WHERE node != person_id
"""

# 2 % of sessions are on a shared device, and 0.5 % on a kiosk; the others on one of the person's own.
_EVENTS = f"""
INSERT INTO events_raw (event_id, type, name, occurred_at, device_time, seq, identifiers, channel, stage, session_id, page, campaign, consent,
    properties, device, sent_at, received_at, source)
WITH {_PERSON}, (n, salt) -> (sipHash64(salt, n) % 1000000) / 1000000 AS u
SELECT
    reinterpretAsUUID(sipHash128('event', n)),
    'track',
    ['page_viewed', 'product_viewed', 'page_viewed', 'product_viewed', 'product_searched', 'product_added', 'checkout_started',
        'order_completed'][multiIf(step < 5, step + 1, step = 5 AND u(session, 'adds') < 0.4, 6, step = 6 AND u(session, 'adds') < 0.2, 7,
            step = 7 AND u(session, 'adds') < 0.12, 8, 2)] AS name_,
    at, at, n,
    if(is_signed_in AND step > 0, map('user', user_value(p)), CAST(map(), 'Map(String, String)')),
    ['web', 'mobile_web', 'app', 'app', 'email', 'store'][1 + sipHash64('channel', session) % 6],
    multiIf(percent('settled', session) < 10, 'retention', step = 0, 'awareness', name_ IN ('checkout_started', 'order_completed'), 'purchase',
        'consideration'),
    lower(hex(sipHash128('session', session))),
    (concat('https://shop.example/products/', toString(sipHash64('page', n) % 5000)), '', ''),
    if(step = 0 AND percent('campaign', session) < 40, (['search', 'newsletter', 'social'][1 + session % 3], '',
        concat('campaign-', toString(sipHash64('which', session) % 200)), '', ['banner', 'film'][1 + session % 2], ''), ('', '', '', '', '', '')),
    map('analytics', true),
    if(name_ = 'page_viewed', '{{}}', concat('{{"sku":"SKU-', toString(sipHash64('page', n) % 5000), '","price":', toString(5 + n % 400), '}}')),
    (device_value(d), if(place = 2, 'kiosk', ['desktop', 'phone', 'tablet', 'phone'][1 + sipHash64('type', d) % 4]), 'iOS', '18', '', '', '5.1', 'en-GB',
        'Europe/London', 390, 844),
    at, at + toIntervalMillisecond(800), 'shop'
FROM
(
    SELECT number AS n, intDiv(n, {EVENTS_PER_SESSION}) AS session, n % {EVENTS_PER_SESSION} AS step,
        multiIf(sipHash64('place', session) % 1000 < 20, 1, sipHash64('place', session) % 1000 < 25, 2, 0) AS place,
        sipHash64('shared', session) % intDiv({{people:UInt64}}, 100) AS shared,
        if(place = 1, shared * 100 + sipHash64('who', session) % users_of(shared), toUInt64(pow(u(session, 'person'), 1.6) * {{people:UInt64}})) AS p,
        multiIf(place = 1, shared_device({{people:UInt64}}, shared),
            place = 2, kiosk_device({{people:UInt64}}, sipHash64('kiosk', session) % greatest(1, intDiv({{people:UInt64}}, 10000))),
            p * 4 + sipHash64('device', session) % devices_of(p)) AS d,
        has_user(p) AND (place = 1 OR place = 0 AND signs_in(d)) AND percent('signed in', session) < 75 AS is_signed_in,
        toDateTime64({{first_day:String}}, 3, 'UTC') + toIntervalDay(toUInt64(n / {{events:UInt64}} * {{days:UInt64}}))
            + toIntervalMillisecond(sipHash64('time', session) % 86000000 + step * 25000 + sipHash64('jitter', n) % 20000) AS at
    FROM numbers_mt({{first:UInt64}}, {{count:UInt64}})
)
"""
_CLAIMS = """
INSERT INTO identity_claims
SELECT device_node, session_node, 'signed_in', person_node, toDateTime64(0, 3, 'UTC'), min(occurred_at)
FROM events_raw
WHERE person_node != 0 AND device_node != 0 AND device_node IN (SELECT node FROM made_persons WHERE person_id = 0)
GROUP BY device_node, session_node, person_node
"""

# Of ten new edges six are a known user's new device, two a new user's, one an e-mail typed on a known device, one a user's card.
_SIGHTINGS = f"""
INSERT INTO events_raw (event_id, type, name, occurred_at, device_time, seq, identifiers, session_id, device, sent_at, received_at, source)
WITH {_PERSON}
SELECT generateUUIDv7(), if(n % 10 = 9, 'identify', 'track'), 'signed_in', now64(3, 'UTC') AS at, at, n,
    multiIf(n % 10 < 6, map('user', user_value(p)), n % 10 < 8, map('user', new), n % 10 = 8, map('email', new),
        map('user', user_value(p), 'loyalty', new)),
    new,
    (multiIf(n % 10 < 8, new, n % 10 = 8, device_value(p * 4), ''), 'phone', '', '', '', '', '', '', '', 0, 0),
    at, at, 'shop'
FROM (SELECT number AS n, sipHash64('sighting', {{round:UInt64}}, n) % {{people:UInt64}} AS p,
    concat('new-', toString({{round:UInt64}}), '-', toString(n)) AS new FROM numbers({{edges:UInt64}}))
"""


def make_evidence(session: Session, people: int) -> None:
    """Record what was seen of so many people; `made_persons` then holds the right answer."""
    parameters = {"people": people, "first_day": FIRST_DAY}
    session.command(_MAKE_EDGES, parameters)
    session.command(_MAKE_PERSONS, parameters)
    session.command(_EDGES)
    session.command(_NODES)
    for table in ("identity_edges", "identity_nodes"):
        session.command(f"OPTIMIZE TABLE {table} FINAL")  # as merges leave it


def make_sightings(session: Session, people: int, number: int, edges: int) -> None:
    """Record so many events as they come in, each of them one edge that nobody has seen: most by people who are known already."""
    session.command(_SIGHTINGS, {"people": people, "round": number, "edges": edges})


def make_events(session: Session, people: int, events: int, days: int = DAYS) -> None:
    """Record what these people did in so many days, and who used the shared devices: history in large parts, the last day in small ones."""
    session.command("DROP VIEW identity_evidence_feed")  # its evidence is there already
    amounts = {"people": people, "events": events, "days": days, "first_day": FIRST_DAY}
    for first, count in _inserts(events, days):
        session.command(
            _EVENTS,
            {**amounts, "first": first, "count": count},
            # One part for each month: as merges leave it.
            {
                "min_insert_block_size_rows": _HISTORY_ROWS,
                "min_insert_block_size_bytes": 0,
                "max_insert_threads": 1,
            },
        )
    session.command(_CLAIMS)


def _inserts(events: int, days: int) -> Iterator[tuple[int, int]]:
    fresh = events - events // days
    steps = [*range(0, fresh, _HISTORY_ROWS), *range(fresh, events, max(1, events // days // FRESH_PARTS))]
    return zip(
        steps, [after - step for step, after in zip(steps, [*steps[1:], events], strict=True)], strict=True
    )
