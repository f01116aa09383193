"""Pairs of devices compared one by one in Python, to hold the SQL against."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

SIZES = (3, 4, 6, 9, 13, 21, 34)


class Pair(NamedTuple):
    """How alike two devices are."""

    shared_networks: int
    closeness: float
    days_together: int
    time_shared: float
    rhythm: float
    pattern: str


def compared(events: Iterable[dict[str, Any]], most_devices: int) -> dict[frozenset[str], Pair]:
    """All pairs that share a network of at most so many devices."""
    by_device: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_device[event["device"]["id"]].append(event)
    seen = {device: {(event["ip"], event["occurred_at"].date()) for event in mine} for device, mine in by_device.items()}  # fmt: skip
    members: defaultdict[str, set[str]] = defaultdict(set)
    for device, sightings in seen.items():
        for network, _ in sightings:
            members[network].add(device)
    small = {network: len(devices) for network, devices in members.items() if 2 <= len(devices) <= most_devices}  # fmt: skip
    pairs = {}
    for one, other in combinations(sorted(by_device), 2):
        shared = {network for network in small if {one, other} <= members[network]}
        if shared:
            pairs[frozenset((one, other))] = _pair(by_device, seen, small, shared, one, other)
    return pairs


def _pair(
    by_device: dict[str, list[dict[str, Any]]],
    seen: dict[str, set[tuple[str, dt.date]]],
    small: dict[str, int],
    shared: set[str],
    one: str,
    other: str,
) -> Pair:
    closeness = sum(1 / (small[network] - 1) for network in shared)
    days = {(network, day) for network, day in seen[one] & seen[other] if network in shared}
    time_shared = min(
        sum(network in shared for network, _ in seen[device]) / len(seen[device]) for device in (one, other)
    )
    weeks = _week(by_device[one]), _week(by_device[other])
    rhythm = sum(a * b for a, b in zip(*weeks, strict=True))
    size = next((f"of_{size}" for size in SIZES if closeness >= 1 / (size - 1) - 1e-6), "of_more")
    pattern = ",".join(
        (
            size + ("_same_day" if days else ""),
            _place(by_device[one], by_device[other]),
            _agent(by_device[one], by_device[other]),
            _rhythm(by_device[one], by_device[other], rhythm),
        )
    )
    return Pair(len(shared), closeness, len(days), time_shared, rhythm, pattern)


def _hours(events: list[dict[str, Any]]) -> set[dt.datetime]:
    return {event["occurred_at"].replace(minute=0, second=0, microsecond=0) for event in events}


def _week(events: list[dict[str, Any]]) -> list[float]:
    used = [0.0] * 168
    for hour in _hours(events):
        place = hour.weekday() * 24 + hour.hour
        used[place] += 2
        used[place - 1] += 1
        used[(place + 1) % 168] += 1
    length = math.sqrt(sum(value * value for value in used))
    return [value / length for value in used]


def _latest(events: list[dict[str, Any]], field: str) -> str:
    known = [event for event in events if event["device"].get(field)]
    return str(max(known, key=lambda event: event["occurred_at"])["device"][field]) if known else ""


def _place(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> str:
    zones = _latest(one, "timezone"), _latest(other, "timezone")
    if "" in zones:
        return "unknown"
    if zones[0] != zones[1]:
        return "different"
    locales = {_latest(mine, "locale").replace("_", "-").lower() for mine in (one, other)}
    return "same" if len(locales) == 1 else "timezone"


def _agent(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> str:
    systems = _latest(one, "os"), _latest(other, "os")
    if "" in systems:
        return "unknown"
    if systems[0] != systems[1]:
        return "different"
    models = _latest(one, "model"), _latest(other, "model")
    return "model" if models[0] == models[1] != "" else "system"


def _rhythm(one: list[dict[str, Any]], other: list[dict[str, Any]], rhythm: float) -> str:
    if min(len(_hours(one)), len(_hours(other))) < 8:
        return "unknown"
    return "alike" if rhythm >= 0.4 else "similar" if rhythm >= 0.2 else "different"
