"""The questions of the benchmark `identity`: one funnel, by device and by person, the person found in several ways."""

from __future__ import annotations

_FUNNEL = """
SELECT level, count()
FROM
(
    SELECT {who} AS who, windowFunnel(86400)(toDateTime(occurred_at), name = 'product_viewed', name = 'product_added',
        name = 'order_completed') AS level
    FROM {events}
    WHERE name IN ('product_viewed', 'product_added', 'order_completed')
    GROUP BY who
)
GROUP BY level
ORDER BY level
"""
_DECIDING = "(SELECT *, if(person_node != 0, person_node, device_node) AS deciding FROM events) AS e"
_DICTIONARY = """dictGetOrDefault('identity_recent', 'person_id', deciding,
    dictGetOrDefault('identity_base', 'person_id', deciding, deciding))"""

# The question as an analyst asks it, ties in time and a step's own event included: more work, the same look-ups.
_VIEW = """
SELECT step, people FROM funnel(by = 'event', steps = ['product_viewed', 'product_added', 'order_completed'], order = 'ordered',
    window_s = 86400, breakdown = '', since = '1970-01-01', until = '2100-01-01', stitched = {stitched})
"""

UNSTITCHED, STITCHED = "events, by device", "person_events, by person"
VIEW_UNSTITCHED, VIEW_STITCHED = "the view funnel, stitched=0", "the view funnel, stitched=1"
BY_DICTIONARY, BY_JOIN = "dictionaries alone", "JOIN with identity_map"
FUNNELS = {
    UNSTITCHED: _FUNNEL.format(who="device_node", events="events"),
    STITCHED: _FUNNEL.format(who="person_id", events="person_events"),
    BY_DICTIONARY: _FUNNEL.format(who=_DICTIONARY, events=_DECIDING),
    BY_JOIN: _FUNNEL.format(
        who="if(m.node = 0, deciding, m.person_id)",
        events=f"{_DECIDING} LEFT JOIN identity_map AS m ON m.node = e.deciding",
    ),
    VIEW_UNSTITCHED: _VIEW.format(stitched=0),
    VIEW_STITCHED: _VIEW.format(stitched=1),
}
YARDSTICKS = dict.fromkeys(FUNNELS, UNSTITCHED) | {
    VIEW_UNSTITCHED: VIEW_UNSTITCHED,
    VIEW_STITCHED: VIEW_UNSTITCHED,
}
SOMEBODY = """
SELECT DISTINCT identifiers['user'] AS user
FROM events_raw
WHERE user != '' AND sipHash64(event_id) % greatest(1, intDiv((SELECT count() FROM events_raw), 4 * {people:UInt64})) = 0
LIMIT {people:UInt64}
"""
