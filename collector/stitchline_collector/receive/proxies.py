"""Whose address a request has: its connection's, or what a trusted proxy says it is.

Only a proxy in a configured network is believed, and only in the one header that it is known to write: a header it passes on
as it came would let everybody choose an address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from aiohttp import web

from .addresses import packed, plain

ProxyHeader = Literal["X-Forwarded-For", "Forwarded"]
# A comma inside a quoted text divides nothing (RFC 7239, section 4).
_ELEMENTS = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,\s]*))', re.IGNORECASE)
_LONGEST = 80  # characters of an address with interface, brackets and port
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\w+)?|([^:]*):\w+")


class Proxies:
    """The proxies that are believed.

    Args:
        networks: Theirs, as in `10.0.0.0/8`.
        header: The one they write.

    Raises:
        ValueError: a network is none.
    """

    def __init__(self, networks: Sequence[str] = (), header: ProxyHeader = "X-Forwarded-For") -> None:
        self._networks: dict[int, list[tuple[int, int]]] = {}  # number and mask, by the length of an address
        for network in map(ipaddress.ip_network, networks):
            known = self._networks.setdefault(network.max_prefixlen // 8, [])
            known.append((int(network.network_address), int(network.netmask)))
        self._header = header

    def address(self, request: web.Request) -> str:
        """The address of who sent a request; empty where the proxy does not tell it."""
        address = request.remote or ""
        if not self._networks or not self._trusts(address):
            return address
        for hop in self._hops(request):  # the last proxy's word first
            address = hop
            if not self._trusts(hop):
                break
        return address

    def _trusts(self, address: str) -> bool:
        found = packed(address)
        number = int.from_bytes(found)
        return any(number & mask == network for network, mask in self._networks.get(len(found), ()))

    def _hops(self, request: web.Request) -> Iterator[str]:
        text = ",".join(request.headers.getall(self._header, ()))
        if self._header == "Forwarded":
            for element in reversed(_ELEMENTS.findall(text)):
                found = _FOR.search(element)
                yield _address(found[1] or found[2]) if found else ""
        elif text:
            yield from (_address(entry.strip()) for entry in reversed(text.split(",")))


def _address(node: str) -> str:
    """An address without brackets and port; empty for `unknown` and made-up names."""
    if len(node) > _LONGEST:
        return ""
    found = _WITH_PORT.fullmatch(node)
    return plain((found[1] or found[2] or "") if found else node)
