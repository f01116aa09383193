"""The version of the SDK, sent with every batch."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
