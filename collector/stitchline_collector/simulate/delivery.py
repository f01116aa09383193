"""How what happened reaches a collector: batches, by devices' own clocks, late, stalled or twice.

Enters: what happened in a neighbourhood. Leaves: batches of the native protocol with `received_at`. Guaranteed: each happening is
in one batch, and in a second one where the client tried again; that second one arrives later, with the same ids.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from .happening import Happening, Installation, uuid7_text
from .parameters import Behaviour
from .people import Belongs
from .visits import HOUR_MS

MOST_EVENTS_OF_A_BATCH = 12
_SDKS = {"web": "stitchline-js", "mobile_web": "stitchline-js", "app": "stitchline-mobile"}
_CONTACTS = ("email", "phone")


class Delivery(NamedTuple):
    """One batch as it arrives.

    Attributes:
        received_ms: since 1970.
        batch: as `stitchline import` reads it.
        first: what is in it, where it arrives for the first time; empty for a second try.
    """

    received_ms: int
    batch: dict[str, Any]
    first: Sequence[Happening]


def deliver(
    rng: Random, behaviour: Behaviour, happened: Iterable[Happening], epoch_ms: int
) -> Iterator[Delivery]:
    """Send everything.

    Args:
        rng: chance.
        behaviour: the numbers.
        happened: in any order; gets its `event_id` and `seq` here.
        epoch_ms: the beginning, since 1970.
    """
    for visit in _by_visit(happened):
        installation = visit[0].installation
        _number(rng, visit, epoch_ms)
        late_ms = _late_ms(rng, behaviour, installation)
        if late_ms:
            yield from _send(rng, behaviour, visit, visit[-1].at_ms + late_ms, epoch_ms)
        else:
            for part in _parts(rng, visit):
                yield from _send(rng, behaviour, part, part[-1].at_ms + rng.randrange(200, 5_000), epoch_ms)


def _by_visit(happened: Iterable[Happening]) -> list[list[Happening]]:
    """What is delivered together, in order of time: clients count on."""
    visits: defaultdict[int, list[Happening]] = defaultdict(list)
    for happening in happened:
        visits[happening.visit].append(happening)
    return sorted(visits.values(), key=lambda visit: (visit[0].at_ms, visit[0].visit))


def _number(rng: Random, visit: list[Happening], epoch_ms: int) -> None:
    """Give ids, which hold the device's time, and sequence numbers."""
    for happening in visit:
        installation, offset_ms = happening.installation, _offset_ms(happening.installation)
        happening.event_id = uuid7_text(rng, epoch_ms + happening.at_ms + offset_ms)
        if installation is not None:
            installation.last_seq += 1
            happening.seq = installation.last_seq


def _late_ms(rng: Random, behaviour: Behaviour, installation: Installation | None) -> int:
    if installation is None:
        return 0
    machine = installation.machine
    may_wait = machine.is_app or machine.belongs is Belongs.PLACE
    if not may_wait or rng.random() >= behaviour.offline:
        return 0
    return int(HOUR_MS / 6 * 432 ** rng.random())  # 10 minutes to 3 days, evenly by magnitude


def _parts(rng: Random, visit: list[Happening]) -> Iterator[list[Happening]]:
    first = 0
    while first < len(visit):
        size = rng.randint(1, MOST_EVENTS_OF_A_BATCH)
        yield visit[first : first + size]
        first += size


def _send(
    rng: Random, behaviour: Behaviour, happened: list[Happening], sent_ms: int, epoch_ms: int
) -> Iterator[Delivery]:
    for first in range(0, len(happened), 1_000):  # a batch holds no more
        yield from _try(rng, behaviour, happened[first : first + 1_000], sent_ms, epoch_ms)


def _try(
    rng: Random, behaviour: Behaviour, happened: list[Happening], sent_ms: int, epoch_ms: int
) -> Iterator[Delivery]:
    delay_ms = rng.randrange(5_000, 50_000) if rng.random() < behaviour.stalled else rng.randrange(40, 900)
    received_ms = epoch_ms + sent_ms + delay_ms
    yield Delivery(received_ms, _batch(happened, epoch_ms, sent_ms, received_ms), happened)
    if rng.random() < behaviour.retried:
        again_ms = sent_ms + delay_ms + rng.randrange(500, 600_000)
        received_ms = epoch_ms + again_ms + rng.randrange(40, 900)
        yield Delivery(received_ms, _batch(happened, epoch_ms, again_ms, received_ms), ())


def _batch(happened: list[Happening], epoch_ms: int, sent_ms: int, received_ms: int) -> dict[str, Any]:
    """The native batch. What most of its events say stands once, in front."""
    head = happened[0]
    installation, offset_ms = head.installation, epoch_ms + _offset_ms(head.installation)
    sends_plain = installation.machine.sends_plain if installation else True
    shared = _as_sent(head.identifiers, sends_plain=sends_plain)
    batch: dict[str, Any] = {
        "received_at": _moment(received_ms),
        "sent_at": _moment(sent_ms + offset_ms),
        "sdk": {"name": _SDKS.get(head.channel, "stitchline-python"), "version": "0.1.0"},
    }
    if installation:
        batch["device"] = {"id": installation.id, **installation.machine.device}
    batch |= {"identifiers": shared, "channel": head.channel}
    if head.session:
        batch["session_id"] = head.session
    batch["events"] = [_event(one, head, shared, offset_ms, sends_plain=sends_plain) for one in happened]
    return batch


def _event(
    happening: Happening, head: Happening, shared: dict[str, str], offset_ms: int, *, sends_plain: bool
) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_id": happening.event_id,
        "type": happening.type,
        "name": happening.name,
        "occurred_at": _moment(happening.at_ms + offset_ms),
    }
    if happening.seq:
        event["seq"] = happening.seq
    identifiers = _as_sent(happening.identifiers, sends_plain=sends_plain)
    if identifiers != shared:
        event["identifiers"] = identifiers
    if happening.linked:
        event["linked"] = _as_sent(happening.linked, sends_plain=sends_plain)
    if happening.session != head.session:
        event["session_id"] = happening.session
    if happening.type == "page":
        event["page"] = {"url": f"https://shop.example/p/{happening.item}"}
    elif happening.item:
        event["properties"] = {"item": happening.item}
    return event


def _as_sent(identifiers: dict[str, str], *, sends_plain: bool) -> dict[str, str]:
    """Contacts as a client sends them: hashed, or in a spelling somebody typed."""
    return {
        namespace: (_typed(value) if sends_plain else _sha256(value)) if namespace in _CONTACTS else value
        for namespace, value in identifiers.items()
    }


def _typed(value: str) -> str:
    if value.startswith("+"):
        return f"00{value[1:4]} {value[4:]}" if value[-1] in "02468" else value
    return f" {value.title()}" if len(value) % 2 else value


@lru_cache(4096)
def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _offset_ms(installation: Installation | None) -> int:
    return installation.machine.offset_ms if installation else 0


def _moment(since_1970_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(since_1970_ms // 1000, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{since_1970_ms % 1000:03d}Z"
