"""IP addresses as bytes: as the module `ipaddress` reads them, in a microsecond instead of up to twenty.

Most requests come from an address that was not seen before, so remembering what was read would not help.
"""

from __future__ import annotations

import socket

_IPV4_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2: how a socket for both families shows IPv4


def packed(address: str) -> bytes:
    """The bytes of an address, without its interface (`fe80::1%eth0`).

    Returns:
        4 bytes of IPv4, also where IPv6 carries it, or 16; none if it is no address.
    """
    try:
        return socket.inet_pton(socket.AF_INET, address)
    except (OSError, ValueError):
        return _packed_ipv6(address)


def plain(address: str) -> str:
    """An address in one way of writing it; empty if it is none."""
    found = packed(address)
    if not found:
        return ""
    return socket.inet_ntop(socket.AF_INET if len(found) == 4 else socket.AF_INET6, found)


def _packed_ipv6(address: str) -> bytes:
    bare, percent, interface = address.partition("%")
    if percent and (not interface or "%" in interface):
        return b""
    try:
        found = socket.inet_pton(socket.AF_INET6, bare)
    except (OSError, ValueError):
        return b""
    return found[12:] if found.startswith(_IPV4_MAPPED) else found
