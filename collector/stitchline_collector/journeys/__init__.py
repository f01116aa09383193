"""Stages and milestones as the operator defines them, and the views that show them.

    journey.toml -> definition -> conditions -> statements -> views: `journey_events`, `journey_stages`, `journey_milestones`

Guaranteed: definitions are applied when reading, so a new one holds for last year's events at once.
"""

from .definition import Journey, JourneyError, read
from .views import journey_text, prepare

__all__ = ["Journey", "JourneyError", "journey_text", "prepare", "read"]
