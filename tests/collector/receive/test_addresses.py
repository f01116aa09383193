"""Addresses, compared with the module `ipaddress`."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stitchline_collector.receive.addresses import packed, plain
from stitchline_collector.receive.proxies import Proxies
from stitchline_collector.receive.rates import Accounts, AddressRates

WORDS = st.lists(
    st.sampled_from("0 1 ff 00ff 2001 db8 fffff 1.2.3.4 01 256 : :: % %eth0 [ / x ٣".split()), max_size=12
)
ADDRESSES = (
    st.ip_addresses().map(str)
    | st.ip_addresses(v=6).map(lambda one: one.exploded.upper())
    | st.ip_addresses(v=6, network="::/64").map(str)
    | st.ip_addresses(v=4).map(lambda one: f"::ffff:{one}")
    | st.ip_addresses(v=6).map(lambda one: f"{one}%eth0")
    | st.lists(st.sampled_from("0 1 ff 2001 0db8".split()), min_size=6, max_size=9).map(":".join)
    | WORDS.map("".join)
    | st.text(max_size=20)
)
NETWORKS = st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=6, network="2001:db8::/32")


def read(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address as the standard library reads it, IPv4 where IPv6 carries it, and without an interface."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address


@given(ADDRESSES)
@example("1:2:3:4:5:6:7::")
@example("::1.2.3.4")
@example("::ffff:01.2.3.4")
@example("fe80::1%")
@example("fe80::1%a%b")
@example("1.2.3.4%eth0")
@example("::\0")
@example("\ud800")
def test_an_address_is_what_the_standard_library_reads(text: str) -> None:
    expected = read(text)

    assert packed(text) == (expected.packed if expected else b"")
    assert read(plain(text)) == expected


@given(ADDRESSES | NETWORKS.map(str), st.lists(st.tuples(NETWORKS, st.integers(0, 32)), max_size=3))
def test_a_proxy_is_in_the_networks_that_the_standard_library_says(
    text: str, chosen: list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]
) -> None:
    networks = [ipaddress.ip_network((address, bits), strict=False) for address, bits in chosen]
    address = read(text)

    expected = address is not None and any(address in network for network in networks)
    assert Proxies([str(network) for network in networks])._trusts(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("2001:db8::1", "2001:0DB8:0:0:ffff::", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("unknown", "unknown", True),
        ("unknown", "", False),
    ],
)
def test_all_of_an_ipv6_network_pay_from_one_account_and_each_ipv4_address_from_its_own(
    one: str, other: str, *, is_one: bool
) -> None:
    rates = AddressRates(1, Accounts(slots=8))
    rates.spend(one, 3600)

    assert (rates.wait_s(other) > 0) == is_one
