"""Towns in which everything happens: shared devices, sessions, logouts, kiosks, hubs, merges, and words taken back."""

from __future__ import annotations

import random
from typing import Any

from tests.stitch.stories import event

_DAY_MINUTES = 24 * 60


def town(luck: random.Random, name: str, events: int = 40) -> list[dict[str, Any]]:
    """Events of a few people on a few devices, over some days; towns share nothing."""
    return [_happening(luck, name) for _ in range(events)]


def _happening(luck: random.Random, name: str) -> dict[str, Any]:
    def one_of(names: str) -> str:
        return f"{luck.choice(names)}{name}"

    told = {}
    if luck.random() < 0.35:
        told["user"] = one_of("ABCD")
    if luck.random() < 0.25:
        told["email"] = one_of("efgh")
    if luck.random() < 0.15:
        told["anonymous"] = one_of("xyz")
    kind = luck.choice(["track"] * 6 + ["identify", "identify", "link", "logout", "unlink"])
    other: dict[str, str] = {}
    if kind in ("link", "unlink"):
        other = {luck.choice(["device", "email", "user"]): ""}
        other = {space: one_of({"device": "PQRS", "email": "efgh", "user": "ABCD"}[space]) for space in other}
    device = luck.choice(["", *(one_of("PQRSK") for _ in range(5))])
    night = luck.choice([0, 1, 2])
    return event(
        # Midnight is near: sessions cross it.
        night * _DAY_MINUTES + 14 * 60 + luck.randrange(-30, 30),
        device,
        type=kind,
        name="relink" if kind == "unlink" and luck.random() < 0.3 else kind,
        linked=other,
        device_type="kiosk" if device.startswith("K") and luck.random() < 0.5 else "phone",
        channel=luck.choice(["web", "app", ""]),
        stage=luck.choice(["", "", "aware", "bought"]),
        session=luck.choice(["", f"{night}a", f"{night}b", f"{night}c"]),
        by_server=luck.random() < 0.3,
        **told,
    )


def towns(seed: int, count: int = 6) -> list[dict[str, Any]]:
    """The events of some towns, shuffled together; one more has a hub."""
    luck = random.Random(seed)
    events = [one for number in range(count) for one in town(luck, str(number))]
    events += [event(number, f"visitor{number}", email="shop") for number in range(12)]
    luck.shuffle(events)
    return events
