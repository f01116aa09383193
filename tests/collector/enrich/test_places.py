"""Addresses, agents and campaigns: what the circumstances of a visit say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.enrich.agent import UserAgents, parse
from stitchline_collector.enrich.campaign import host_of, read_campaign
from stitchline_collector.enrich.geo import GeoDatabase, read_record
from stitchline_collector.enrich.privacy import network
from stitchline_collector.rows import Geo
from stitchline_collector.wire import Campaign

_DATABASES = Path(__file__).parents[3] / ".tools" / "node_modules" / "@ip-location-db"
COUNTRIES = _DATABASES / "geo-whois-asn-country-mmdb" / "geo-whois-asn-country.mmdb"
needs_database = pytest.mark.skipif(
    not COUNTRIES.exists(), reason="no GeoIP database: run `make .tools/.npm`"
)


# -- geo -------------------------------------------------------------------------------------------------------------


@needs_database
@pytest.mark.parametrize(
    ("ip", "country"), [("8.8.8.8", "US"), ("2001:4860:4860::8888", "US"), ("10.0.0.1", "")]
)
def test_an_address_is_found_in_a_real_database(ip: str, country: str) -> None:
    assert GeoDatabase(COUNTRIES).find(ip) == Geo(country)


@needs_database
@pytest.mark.parametrize("ip", ["", "not an address", "999.1.1.1", "1.2.3.4, 5.6.7.8", "\udcff", "::1%eth0"])
def test_what_is_no_address_is_nowhere(ip: str) -> None:
    assert GeoDatabase(COUNTRIES).find(ip) == Geo()


def test_without_a_database_every_address_is_nowhere() -> None:
    assert GeoDatabase().find("8.8.8.8") == Geo()


def test_a_database_that_is_not_there_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        GeoDatabase(tmp_path / "missing.mmdb")


def test_the_flat_layout_is_read() -> None:
    assert read_record({"country_code": "DE", "state1": "Berlin", "city": "Berlin"}) == Geo(
        "DE", "Berlin", "Berlin"
    )
    assert read_record({"country_code": "DE"}) == Geo("DE")


def test_the_nested_layout_is_read() -> None:
    record = {
        "country": {"iso_code": "DE", "names": {"en": "Germany"}},
        "subdivisions": [{"iso_code": "BY", "names": {"en": "Bavaria", "de": "Bayern"}}],
        "city": {"names": {"en": "Munich", "de": "München"}},
    }
    assert read_record(record) == Geo("DE", "Bavaria", "Munich")


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"subdivisions": []},
        {"city": {}},
        {"city": None, "country": None},
        {"registered_country": {"iso_code": ""}},
        {"country_code": None},
        {"country_code": 5},
    ],
)
def test_a_record_that_says_nothing_is_nowhere(record: dict[str, object]) -> None:
    assert read_record(record) == Geo()


def test_a_registered_country_stands_in_for_a_missing_one() -> None:
    assert read_record({"registered_country": {"iso_code": "FR"}}) == Geo("FR")


# -- address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ip", "kept"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:1234:5678::1", "2001:db8:1234::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("", ""),
        ("unknown", ""),
    ],
)
def test_only_the_network_of_an_address_is_kept(ip: str, kept: str) -> None:
    assert network(ip) == kept


@given(st.ip_addresses())
def test_no_address_survives_whole(ip: object) -> None:
    assert network(str(ip)) == network(network(str(ip)))


@given(st.text(st.characters(codec=None), max_size=60))
def test_no_text_breaks_the_address(ip: str) -> None:
    network(ip)


# -- agent -----------------------------------------------------------------------------------------------------------

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Mobile Safari/537.36"
)


@pytest.mark.parametrize(
    ("header", "browser", "system", "device", "is_bot"),
    [
        (CHROME, "Chrome", "Windows", "", False),
        (ANDROID, "Chrome Mobile", "Android", "Pixel 8", False),
        (GOOGLEBOT, "Googlebot", "", "Spider", True),
        ("curl/8.5.0", "curl", "", "", False),
        ("", "", "", "", False),
    ],
)
def test_an_agent_is_read(header: str, browser: str, system: str, device: str, is_bot: bool) -> None:  # noqa: FBT001
    agent = parse(header)

    assert (agent.browser, agent.os, agent.device, agent.is_bot) == (browser, system, device, is_bot)


def test_a_string_seen_before_is_not_read_again() -> None:
    agents = UserAgents()
    agents.parse(CHROME)
    before = agents.parse.cache_info().hits
    agents.parse(CHROME)

    assert agents.parse.cache_info().hits == before + 1


@given(st.text(st.characters(codec=None), max_size=200))
def test_no_header_breaks_the_reading_of_agents(header: str) -> None:
    json.dumps(parse(header).browser).encode()


# -- campaign --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "referrer", "campaign"),
    [
        (
            "https://shop.example/?utm_source=news&utm_medium=email&utm_campaign=autumn%20sale&utm_term=t&utm_content=c",
            "",
            Campaign("news", "email", "autumn sale", "t", "c"),
        ),
        ("https://shop.example/?gclid=abc", "", Campaign("google", "cpc", click_id="abc")),
        (
            "https://shop.example/?utm_source=partner&gclid=abc#top",
            "",
            Campaign("partner", "cpc", click_id="abc"),
        ),
        ("https://shop.example/", "https://www.google.com/search?q=x", Campaign("www.google.com", "organic")),
        ("https://shop.example/", "https://l.facebook.com/", Campaign("l.facebook.com", "social")),
        ("https://shop.example/", "https://blog.example/post", Campaign("blog.example", "referral")),
        ("https://shop.example/a", "https://www.shop.example/b", Campaign()),
        ("https://shop.example/", "", Campaign()),
        ("https://shop.example/?q=utm_source", "", Campaign()),
        ("", "android-app://com.google.android.gm/", Campaign("com.google.android.gm", "organic")),
    ],
)
def test_a_campaign_is_read_from_the_url_else_from_a_foreign_referrer(
    url: str, referrer: str, campaign: Campaign
) -> None:
    assert read_campaign(url, referrer) == campaign


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_address_breaks_the_reading_of_campaigns(url: str, referrer: str) -> None:
    found = read_campaign(url, referrer)

    assert max(len(found.source), len(found.medium)) <= 256


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://User:pw@Shop.Example:8443/x?y#z", "shop.example"),
        ("https://shop.example?x=1", "shop.example"),
        ("shop.example/x", ""),
        ("://x", ""),
        ("", ""),
    ],
)
def test_the_host_of_an_address(url: str, host: str) -> None:
    assert host_of(url) == host
