"""Typed events -> rows, by an ordered tuple of steps.

Enters: what `decode` read and the `Arrival` (when, from where, by which key). Leaves: rows ready to be encoded. Each step is
called once per batch, does no I/O beyond its own caches, and keeps the number and order of the rows.
"""

from __future__ import annotations

from .arrival import Arrival
from .pipeline import Enricher, Step, lines

__all__ = ["Arrival", "Enricher", "Step", "lines"]
