"""Accounts of rates: in one process, and kept by several at once without a lock."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stitchline_collector.receive.rates import BURST_S, Accounts, AddressRates, Rate

HOUR_S = 3600


def test_a_burst_may_be_spent_at_once_and_then_it_waits() -> None:
    rate = Rate(100, "a", Accounts())
    rate.spend(100 * BURST_S - 1)
    assert rate.wait_s() == 0
    rate.spend(100 * HOUR_S)
    assert HOUR_S - 1 <= rate.wait_s() <= HOUR_S + 1


def test_without_a_limit_nothing_waits() -> None:
    rate = Rate(0, "a", Accounts())
    rate.spend(10**9)
    assert rate.wait_s() == 0


def test_one_account_is_not_anothers_and_another_rate_begins_anew() -> None:
    accounts = Accounts()
    Rate(1, "a", accounts).spend(HOUR_S)
    assert Rate(1, "a", accounts).wait_s() > 0
    assert Rate(1, "b", accounts).wait_s() == 0
    assert Rate(2, "a", accounts).wait_s() == 0


def test_where_no_slot_is_left_the_account_that_would_be_free_first_is_forgotten() -> None:
    accounts = Accounts(slots=8)
    for number in range(1, 9):
        accounts.prolong(number, number * HOUR_S)
    accounts.prolong(9, 100 * HOUR_S)

    assert [number for number in range(1, 10) if not accounts.until(number)] == [1]


def test_an_account_that_has_come_to_rest_gives_its_slot_away() -> None:
    accounts = Accounts(slots=8)
    for number in range(1, 8):
        accounts.prolong(number, number * HOUR_S)
    for number in range(100, 200):
        accounts.prolong(number, 1e-9)

    assert all(accounts.until(number) for number in range(1, 8))


def test_addresses_are_as_many_as_there_are() -> None:
    rates = AddressRates(1)
    sites = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(50_000)]
    for site in sites:
        rates.spend(site, HOUR_S)

    assert [site for site in sites if not rates.wait_s(site)] == []


FORKED = """
import os, sys
from stitchline_collector.receive.rates import BURST_S, Accounts, Rate

accounts = Accounts()
shares = [int(share) for share in sys.argv[1:]]
children = []
for number, times in enumerate(shares):
    child = os.fork()
    if child == 0:
        for _ in range(times):
            Rate(1, "a", accounts).spend(10)
        Rate(1, number, accounts).spend(3600)
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(shares)
assert all(Rate(1, number, accounts).wait_s() > 3500 for number in range(len(shares)))
print(Rate(1, "a", accounts).wait_s() + BURST_S)
"""


@pytest.mark.parametrize("shares", [(1000, 1000, 1000), (2900, 90, 10)])
def test_processes_that_were_forked_keep_one_account(shares: tuple[int, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, *map(str, shares)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept, paid = int(done.stdout), 10 * sum(shares)
    print(kept, "of", paid)
    # Here all pay without a pause, where requests are far apart.
    assert 0.9 * paid < kept <= paid + 1


STOPPED = """
import os, signal
from stitchline_collector.receive.rates import BURST_S, Accounts, Rate

accounts = Accounts()
rate = Rate(1, "a", accounts)
child = os.fork()
if child == 0:
    with accounts._alone(rate._account):
        os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
os.waitpid(child, os.WUNTRACED)
rate.spend(3600)
print(rate.wait_s() + BURST_S)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
rate.spend(3600)
print(rate.wait_s() + BURST_S)
"""


def test_a_process_that_is_stopped_or_killed_while_it_pays_stops_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [round(int(line), -1) for line in done.stdout.split()] == [HOUR_S, 2 * HOUR_S]
