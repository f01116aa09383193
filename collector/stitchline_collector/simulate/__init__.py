"""A simulated world: people, their machines and what they do, with the truth beside it."""

from __future__ import annotations

from .judge import Stratum
from .parameters import Behaviour
from .world import NotEmpty, Summary, Truth, write

__all__ = ["Behaviour", "NotEmpty", "Stratum", "Summary", "Truth", "write"]
