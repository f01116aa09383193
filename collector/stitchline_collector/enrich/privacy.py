"""What is not kept: the last part of an address, and who it was where analytics was not agreed to."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from msgspec.structs import replace

from ..rows import Row
from ..wire import Device
from .arrival import Arrival

ANALYTICS = "analytics"  # the purpose of consent under which identifiers are kept


def truncate_ip(arrival: Arrival, _rows: list[Row]) -> None:
    """Cut the address to its network (/24, or /48 of IPv6); a step, after the geo look-up."""
    arrival.ip = network(arrival.ip)


@lru_cache(maxsize=16_384)
def network(ip: str) -> str:
    """The network part of an address, empty if it is none."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    prefix = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network((address, prefix), strict=False).network_address)


class Privacy:
    """Takes the identifiers off events without consent for analytics; a step.

    Args:
        required: True: an event must say yes. False: it must not say no.
    """

    def __init__(self, *, required: bool = False) -> None:
        self._unsaid = not required

    def __call__(self, _arrival: Arrival, rows: list[Row]) -> None:
        """Keep what happened and forget to whom."""
        for row in rows:
            if not row.consent.get(ANALYTICS, self._unsaid):
                row.identifiers = {}
                row.linked = {}
                row.session_id = ""
                row.seq = 0
                assert isinstance(row.tail, Device)  # noqa: S101 -- narrows the type; tails are encoded after the steps
                row.tail = replace(row.tail, id="")
