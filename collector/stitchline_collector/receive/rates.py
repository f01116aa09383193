"""How fast somebody may send: of a key and of an address, each over bursts of ten seconds.

Rates are of one process: with `workers` above 1, each worker keeps its own account.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict

BURST_S = 10
_MOST_ADDRESSES = 100_000  # about 20 MB; above, who was quiet longest is forgotten
_SITE_BITS = 64  # of an IPv6 address: who has one has all that begin like it


class Rate:
    """What is left of a rate.

    Args:
        per_s: Events a second; 0 is no limit.
    """

    __slots__ = ("_at", "_left", "_per_s")

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._left = float(per_s * BURST_S)
        self._at = time.monotonic()

    def wait_s(self) -> int:
        """Seconds until more may come; 0 now."""
        if not self._per_s:
            return 0
        now = time.monotonic()
        self._left = min(self._per_s * BURST_S, self._left + (now - self._at) * self._per_s)
        self._at = now
        return 0 if self._left > 0 else int(-self._left / self._per_s) + 1

    def spend(self, events: int) -> None:
        """Take events off; a batch may overdraw it, and then the next one waits."""
        if self._per_s:
            self._left -= events


class AddressRates:
    """The rates of all addresses.

    Args:
        per_s: Events a second of one IPv4 address or one IPv6 network of 64 bits; 0 is no limit.
    """

    def __init__(self, per_s: int = 0) -> None:
        self._per_s = per_s
        self._rates: OrderedDict[str, Rate] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """Seconds until more may come from an address; 0 now."""
        return self._rate(address).wait_s() if self._per_s else 0

    def spend(self, address: str, events: int) -> None:
        """Take events off an address's rate."""
        if self._per_s:
            self._rate(address).spend(events)

    def _rate(self, address: str) -> Rate:
        site = _site(address)
        rate = self._rates.get(site)
        if rate is None:
            rate = self._rates[site] = Rate(self._per_s)
            if len(self._rates) > _MOST_ADDRESSES:
                self._rates.popitem(last=False)
        else:
            self._rates.move_to_end(site)
        return rate


def _site(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address}/{_SITE_BITS}", strict=False))
    except ValueError:
        return address
