"""Small answer keys, written by hand."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from backports import zstd

from stitchline_collector.evaluate.answer_key import AnswerKey

NOON = "2026-03-02T12:00:00.000Z"


class Told(NamedTuple):
    """One event and the truth about it; `minute` is when."""

    person: int | None
    device: str = ""
    minute: int = 0
    solvable: bool = True
    stratum: str = "own_device"
    identifiers: Mapping[str, str] = MappingProxyType({})
    linked: Mapping[str, str] = MappingProxyType({})


def event_id(number: int) -> str:
    """A UUIDv7 of the first days of March 2026, another for each number."""
    return str(uuid.UUID(int=(1_772_452_800_000 + number) << 80 | 0x7 << 76 | 0x2 << 62 | number))


def write(folder: Path, events: Sequence[Told], again: Sequence[int] = ()) -> AnswerKey:
    """A world of these events, those of the numbers in `again` delivered twice."""
    folder.mkdir(parents=True, exist_ok=True)
    order = [*range(len(events)), *again]
    batches = [json.dumps(_batch(number, events[number])) for number in order]
    truths = [json.dumps(_truth(number, told)) for number, told in enumerate(events)]
    (folder / "events-00000.jsonl.zst").write_bytes(
        zstd.compress("".join(f"{line}\n" for line in batches).encode())
    )
    (folder / "truth-00000.jsonl.zst").write_bytes(
        zstd.compress("".join(f"{line}\n" for line in truths).encode())
    )
    summary = {
        "people": 3, "seed": 1, "beginning": NOON, "behaviour": {"days": 1}, "batches": len(order),
        "events": len(events), "repeated_events": len(again), "solvable_events": sum(told.solvable for told in events),
    }  # fmt: skip
    (folder / "simulation.json").write_text(json.dumps(summary))
    return AnswerKey(folder)


def _batch(number: int, told: Told) -> dict[str, Any]:
    at = f"2026-03-02T{12 + told.minute // 60:02d}:{told.minute % 60:02d}:00.000Z"
    event = {
        "event_id": event_id(number),
        "type": "track",
        "name": "x",
        "occurred_at": at,
        "linked": dict(told.linked),
    }
    batch: dict[str, Any] = {
        "received_at": at,
        "sent_at": at,
        "identifiers": dict(told.identifiers),
        "events": [event],
    }
    if told.device:
        batch["device"] = {"id": told.device, "type": "phone"}
    return batch


def _truth(number: int, told: Told) -> dict[str, Any]:
    return {
        "event_id": event_id(number),
        "person": told.person,
        "stratum": told.stratum,
        "solvable": told.solvable,
    }
