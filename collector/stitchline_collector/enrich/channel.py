"""The channel of events that do not say theirs."""

from __future__ import annotations

from ..rows import Row
from ..wire import Device
from .arrival import Arrival

_BY_DEVICE = {"kiosk": "kiosk", "atm": "atm", "pos": "store"}
_HANDHELD = frozenset({"phone", "tablet", "watch"})
_MOBILE_SYSTEMS = frozenset({"iOS", "Android"})


def channel(arrival: Arrival, rows: list[Row]) -> None:
    """Fill in the channel from device, page and agent; a step."""
    for row in rows:
        if not row.channel:
            row.channel = _channel(arrival, row)


def _channel(arrival: Arrival, row: Row) -> str:
    device = row.tail
    assert isinstance(device, Device)  # noqa: S101 -- narrows the type; tails are encoded after the steps
    known = _BY_DEVICE.get(device.type)
    if known:
        return known
    handheld = device.type in _HANDHELD or (not device.type and arrival.agent.os in _MOBILE_SYSTEMS)
    if row.type == "page" or row.page.url:
        return "mobile_web" if handheld else "web"
    if row.type == "screen" or (handheld and device.app_version):
        return "app"
    return "api"
