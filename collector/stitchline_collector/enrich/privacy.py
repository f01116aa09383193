"""What is not kept: the last part of an address, and who it was where analytics was not agreed to."""

from __future__ import annotations

import socket

from msgspec.structs import replace

from ..rows import Row
from ..wire import Device
from .arrival import Arrival

_IPV4_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2
ANALYTICS = "analytics"  # the purpose of consent under which identifiers are kept


def truncate_ip(arrival: Arrival, _rows: list[Row]) -> None:
    """Cut the address to its network (/24, or /48 of IPv6); a step, after the geo look-up."""
    if arrival.ip:
        arrival.ip = network(arrival.ip)


def network(ip: str) -> str:
    """The network part of an address, empty if it is none.

    A microsecond for a new address, against 11 of the module `ipaddress`: most requests come from one not seen before.
    """
    try:
        kept = socket.inet_pton(socket.AF_INET, ip)[:3]
    except (OSError, ValueError):
        return _network_of_ipv6(ip)
    return socket.inet_ntoa(kept + b"\0")


def _network_of_ipv6(ip: str) -> str:
    try:
        address = socket.inet_pton(
            socket.AF_INET6, ip.partition("%")[0]
        )  # without the interface: fe80::1%eth0
    except (OSError, ValueError):
        return ""
    if address.startswith(_IPV4_MAPPED):
        return socket.inet_ntoa(address[12:15] + b"\0")
    return socket.inet_ntop(socket.AF_INET6, address[:6] + bytes(10))


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
