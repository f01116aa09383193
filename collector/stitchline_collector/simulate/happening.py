"""What happened, with everything that is true about it.

The delivery makes events of happenings, the judge makes truth of them; both read the same list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from .people import Machine, Person


@dataclass(slots=True, eq=False)
class Installation:
    """One device id: a machine until its cookies are cleared, or one private window."""

    id: str
    machine: Machine
    is_private: bool = False
    last_seq: int = 0


@dataclass(slots=True, eq=False)
class Happening:
    """One event.

    Attributes:
        at_ms: when, by the true clock, since the beginning.
        person: who did it; None for a passer-by.
        installation: where; None for what a server says.
        visit: number of the visit; what happens in one is delivered together.
        identifiers: as the event says, contacts plain and normalised.
    """

    at_ms: int
    person: Person | None
    installation: Installation | None
    session: str
    visit: int
    type: str
    name: str
    identifiers: dict[str, str]
    linked: dict[str, str] = field(default_factory=dict)
    channel: str = ""
    item: int = 0
    event_id: str = ""
    seq: int = 0


def uuid7_text(rng: Random, at_ms: int) -> str:
    """A UUIDv7 (RFC 9562) of a moment, since 1970."""
    value = at_ms << 80 | rng.getrandbits(80)
    digits = f"{value & ~(0x3 << 62) & ~(0xF << 76) | 0x7 << 76 | 0x2 << 62:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid4_text(rng: Random) -> str:
    """A random UUID."""
    value = rng.getrandbits(128)
    digits = f"{value & ~(0x3 << 62) & ~(0xF << 76) | 0x4 << 76 | 0x2 << 62:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
