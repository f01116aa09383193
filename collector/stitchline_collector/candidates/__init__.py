"""Probable links: pairs of devices of one person or household, scored, shown, and kept apart from the persons."""

from __future__ import annotations

from .finder import DEFAULT_LIMITS, Limits, Run, find

__all__ = ["DEFAULT_LIMITS", "Limits", "Run", "find"]
