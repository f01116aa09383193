"""How fast somebody may send: of a key and of an address, each over bursts of ten seconds.

An account is one number: the moment until which what was sent lasts at the rate (the virtual scheduling of ITU-T I.371, known as GCRA). All
processes of a collector keep it in memory that they share, so a rate is the collector's, whichever worker takes a request.

Guaranteed: at most rate x time + burst is taken, and what the requests bring that were let in before and have not paid yet; they are paid for
later. Nobody waits for a process that stands still: only what is paid while one was stopped in the middle of a payment can be lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import time
import weakref
from collections.abc import Iterator

from .addresses import packed

BURST_S = 10
_SLOTS = 1 << 20  # 16 MB, of which only the pages in use take memory
_WAYS = 8
_TRIES = 1_000  # to be alone with an account, about a millisecond: a payment takes two microseconds
_SITE_BYTES = 8  # of an IPv6 address: who has one has all that begin like it


class Accounts:
    """Until when what was sent lasts, by account; shared with the processes that are forked later.

    An account has one of eight slots. One whose moment has passed says nothing, and is the next one's; where all eight are in use, the one
    that ends first is forgotten.

    Args:
        slots: A power of two, at least 8.
    """

    def __init__(self, slots: int = _SLOTS) -> None:
        self._file = os.memfd_create("stitchline-rates")
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, 16 * slots)
        memory = memoryview(mmap.mmap(self._file, 16 * slots))
        self._owners = memory[: 8 * slots].cast("q")
        self._until = memory[8 * slots :].cast("d")
        self._mask = slots - _WAYS

    def until(self, account: int) -> float:
        """The moment until which its events last, on the monotonic clock; 0 if it is not known."""
        place = self._find(account)
        return self._until[place] if place >= 0 else 0.0

    def prolong(self, account: int, seconds: float) -> None:
        """Let what was sent last longer."""
        with self._alone(account):
            until, now, place = self._until, time.monotonic(), self._find(account)
            if place < 0:
                place = min(self._places(account), key=until.__getitem__)
                until[place] = now
                self._owners[place] = account
            until[place] = max(now, until[place]) + seconds

    @contextlib.contextmanager
    def _alone(self, account: int) -> Iterator[None]:
        """Keep other processes off an account's slots. The lock goes with a process that is killed, and is not waited for long."""
        first = (account & self._mask) * 8
        is_locked = False
        for _ in range(_TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 8 * _WAYS, first)
            except BlockingIOError:
                os.sched_yield()
            else:
                is_locked = True
                break
        try:
            yield
        finally:
            if is_locked:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 8 * _WAYS, first)

    def _find(self, account: int) -> int:
        for place in self._places(account):
            if self._owners[place] == account:
                return place
        return -1

    def _places(self, account: int) -> range:
        first = account & self._mask
        return range(first, first + _WAYS)


class Rate:
    """What is left of a rate.

    Args:
        per_s: Events a second; 0 is no limit.
        whose: Names the account. The number that Python hashes it to is the same in all forked processes, and nobody outside can choose it.
        accounts: Where it is kept.
    """

    __slots__ = ("_account", "_accounts", "_per_s")

    def __init__(self, per_s: int, whose: object, accounts: Accounts) -> None:
        self._per_s = per_s
        self._account = hash((whose, per_s))  # another rate begins anew, and is not held to old debts
        self._accounts = accounts

    def wait_s(self) -> int:
        """Seconds until more may come; 0 now."""
        if not self._per_s:
            return 0
        over_s = self._accounts.until(self._account) - time.monotonic() - BURST_S
        return 0 if over_s < 0 else int(over_s) + 1

    def spend(self, events: int) -> None:
        """Take events off; a batch may overdraw it, and then the next one waits."""
        if self._per_s:
            self._accounts.prolong(self._account, events / self._per_s)


class AddressRates:
    """The rates of all addresses.

    Args:
        per_s: Events a second of one IPv4 address or one IPv6 network of 64 bits; 0 is no limit.
        accounts: Where they are kept; None is in this process.
    """

    def __init__(self, per_s: int = 0, accounts: Accounts | None = None) -> None:
        self._per_s = per_s
        self._accounts = accounts or Accounts()

    def wait_s(self, address: str) -> int:
        """Seconds until more may come from an address; 0 now."""
        return self._rate(address).wait_s() if self._per_s else 0

    def spend(self, address: str, events: int) -> None:
        """Take events off an address's rate."""
        if self._per_s:
            self._rate(address).spend(events)

    def _rate(self, address: str) -> Rate:
        # Not a number: anybody could choose what Python hashes that to.
        return Rate(self._per_s, packed(address)[:_SITE_BYTES] or address, self._accounts)
