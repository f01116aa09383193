"""Sealed segments -> ClickHouse, exactly once.

Enters: segments. Leaves: rows in ClickHouse, and the space on disk. Guaranteed: a segment is sent as the same bytes under the
same token until ClickHouse has it, so however often it is sent, its rows are there once; a row that ClickHouse refuses goes
to `failed_events` and holds up nobody.
"""

from __future__ import annotations

from .loader import Loader, Loads

__all__ = ["Loader", "Loads"]
