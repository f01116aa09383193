"""Stitch: new evidence becomes persons, a moment after it was loaded."""

from __future__ import annotations

from .rules import DEFAULT_RULES, IdentityRules
from .stitcher import Progress, Standby, Stitcher

__all__ = ["DEFAULT_RULES", "IdentityRules", "Progress", "Standby", "Stitcher"]
