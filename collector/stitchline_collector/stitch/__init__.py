"""Stitch: new evidence becomes persons, a moment after it was loaded."""

from __future__ import annotations

from .desk import Desk
from .rules import DEFAULT_RULES, IdentityRules
from .stitcher import Errand, Progress, Standby, Stitcher

__all__ = ["DEFAULT_RULES", "Desk", "Errand", "IdentityRules", "Progress", "Standby", "Stitcher"]
