"""HTTP in, replies out.

Enters: requests. Leaves: bodies of known senders, inflated and within limits, and replies by one table. Guaranteed: a 200
leaves only after what was accepted, and what was rejected, is on disk.
"""

from __future__ import annotations

from .events import Receiver
from .keys import Key, KeyKind, Keys
from .origin import Accepted, Ingest, NotDurable, Origin
from .refusals import Refusal

__all__ = ["Accepted", "Ingest", "Key", "KeyKind", "Keys", "NotDurable", "Origin", "Receiver", "Refusal"]
