"""Stitch: new evidence becomes persons, a moment after it was loaded."""

from __future__ import annotations

from .stitcher import Progress, Stitcher

__all__ = ["Progress", "Stitcher"]
