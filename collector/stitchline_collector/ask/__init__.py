"""Ask: who is this, what did they do, and anything else in SQL.

Enters: questions over HTTP. Leaves: answers from ClickHouse, in JSON or any of its formats. Guaranteed: nothing is written,
and the event loop never waits for ClickHouse.
"""

from __future__ import annotations

from .http import Asking

__all__ = ["Asking"]
