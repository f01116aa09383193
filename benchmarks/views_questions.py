"""The questions of the benchmark `views`: each view as an analyst would ask it, and what it is measured beside."""

from __future__ import annotations

JOURNEY = """
[[milestones]]
name = "viewed"
stage = "consideration"
event = "product_viewed"

[[milestones]]
name = "added"
stage = "consideration"
event = "product_added"
within = "2 days"

[[milestones]]
name = "ordered"
stage = "purchase"
event = "order_completed"
within = "1 week"
"""
# What no question about people can do without: finding each event's person, and counting.
LIMIT = "events of each person, counted"
LIMIT_SQL = (
    "SELECT count(), max(events) FROM (SELECT count() AS events FROM person_events GROUP BY person_id)"
)
_STEPS = "product_viewed,product_added,order_completed"
# By the label in the table: the view, and what is not asked as by default.
QUESTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "people_by_day": ("people_by_day", {}),
    "funnel": ("funnel", {}),
    "funnel, 3 events": ("funnel", {"by": "event", "steps": _STEPS}),
    "funnel, milestones, by channel": ("funnel", {"by": "milestone", "breakdown": "channel"}),
    "funnel, any order": ("funnel", {"by": "event", "steps": _STEPS, "order": "any"}),
    "funnel_exits": ("funnel_exits", {}),
    "stage_now": ("stage_now", {}),
    "stage_transitions": ("stage_transitions", {}),
    "stage_loops": ("stage_loops", {}),
    "stuck": ("stuck", {}),
    "handovers": ("handovers", {}),
    "handovers, both": ("handovers", {"by": "both"}),
    "began_converted": ("began_converted", {}),
    "paths, after a view": ("paths", {"event": "product_viewed"}),
    "paths, before an order": ("paths", {"event": "order_completed", "direction": "before"}),
    "attribution": ("attribution", {}),
    "attribution, stitched=0": ("attribution", {"stitched": "0"}),
    "retention": ("retention", {}),
    "underperforming": ("underperforming", {}),
    "underperforming, 5,000 pages": ("underperforming", {"by": "page", "met": "any"}),
    "frequency": ("frequency", {}),
    "data_quality": ("data_quality", {}),
    "timeline, one person": ("timeline", {"value": "u42"}),
}
