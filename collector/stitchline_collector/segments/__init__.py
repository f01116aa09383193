"""Segments: named sets of people, as the operator defines them in a folder of TOML files.

    segments/*.toml -> definition -> statements -> members, as routes and `stitchline segment`

Guaranteed: they are worked out when asked, so a new definition holds at once; who has not agreed is never exported.
"""

from .definition import Segment, SegmentError, read, segments_in
from .http import SegmentRoutes
from .members import Question, export, members, sizes

__all__ = [
    "Question",
    "Segment",
    "SegmentError",
    "SegmentRoutes",
    "export",
    "members",
    "read",
    "segments_in",
    "sizes",
]
