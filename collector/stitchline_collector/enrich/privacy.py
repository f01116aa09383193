"""What is not kept: the last part of an address, and who it was where analytics was not agreed to."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from msgspec import Raw
from msgspec.structs import replace

from ..receive.addresses import packed
from ..rows import Row
from ..wire import Device, Page
from .arrival import Arrival
from .campaign import NO_CAMPAIGN

_NO_PAGE = Page()
_NO_PROPERTIES = Raw(b"{}")
CONSENT = "consent"  # the type of event that says what somebody agrees to
ANALYTICS = "analytics"  # the purpose of consent under which identifiers are kept


def truncate_ip(arrival: Arrival, _rows: list[Row]) -> None:
    """Cut the address to its network (/24, or /48 of IPv6); a step, after the geo look-up."""
    if arrival.ip:
        arrival.ip = network(arrival.ip)


def network(ip: str) -> str:
    """The network part of an address, empty if it is none."""
    address = packed(ip)
    if not address:
        return ""
    if len(address) == 4:
        return socket.inet_ntoa(address[:3] + b"\0")
    return socket.inet_ntop(socket.AF_INET6, address[:6] + bytes(10))


class Privacy:
    """Takes the identifiers off events without consent for analytics, and hears a browser's objection; a step.

    Args:
        required: True: an event must say yes. False: it must not say no.
        refused_by_signal: purposes that Global Privacy Control says no to, whatever the events say.
    """

    def __init__(self, *, required: bool = False, refused_by_signal: Sequence[str] = ()) -> None:
        self._unsaid = not required
        self._refused = dict.fromkeys(refused_by_signal, False)

    def __call__(self, arrival: Arrival, rows: list[Row]) -> None:
        """Keep what happened and forget to whom."""
        if arrival.objects and self._refused:
            for row in rows:
                row.consent = row.consent | self._refused
        for row in rows:
            if not row.consent.get(ANALYTICS, self._unsaid):
                row.linked = {}
                row.session_id = ""
                row.seq = 0
                if row.type == CONSENT:
                    # The record of a refusal or withdrawal: without who it was, an earlier yes to another purpose would stand.
                    row.page, row.campaign, row.properties = _NO_PAGE, NO_CAMPAIGN, _NO_PROPERTIES
                    continue
                row.identifiers = {}
                assert isinstance(row.tail, Device)  # noqa: S101 -- narrows the type; tails are encoded after the steps
                row.tail = replace(row.tail, id="")
