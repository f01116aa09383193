"""Where a visit came from: the URL's campaign parameters, else its referrer."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote_plus

from ..rows import Row
from ..wire import Campaign
from .arrival import Arrival

# The advertising platforms' own click ids, with the source each one names.
CLICK_IDS = {
    "gclid": "google",
    "gbraid": "google",
    "wbraid": "google",
    "dclid": "google",
    "fbclid": "facebook",
    "msclkid": "bing",
    "ttclid": "tiktok",
    "twclid": "twitter",
    "li_fat_id": "linkedin",
}
SEARCH_ENGINES = frozenset(
    "google bing duckduckgo yahoo ecosia baidu yandex startpage qwant naver brave".split()
)
SOCIAL_SITES = frozenset(
    "facebook instagram linkedin pinterest reddit tiktok twitter x t youtube xing threads snapchat".split()
)
_PARAMETERS = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
} | dict.fromkeys(CLICK_IDS, "click_id")
_LONGEST = {"click_id": 512}
_AFTER_SCHEME = len("https://")
_REMEMBERED = 256  # characters: longer queries are one visitor's own
NO_CAMPAIGN = Campaign()


def campaign(_arrival: Arrival, rows: list[Row]) -> None:
    """Fill in the campaign of events that name none themselves; a step."""
    for row in rows:
        page = row.page
        if (page.url or page.referrer) and (row.campaign is NO_CAMPAIGN or row.campaign == NO_CAMPAIGN):
            row.campaign = read_campaign(page.url, page.referrer)


def read_campaign(url: str, referrer: str) -> Campaign:
    """Campaign of a landing page: its `utm_*` parameters and click id, else its foreign referrer, else nothing.

    Addresses are nearly all different, so they are taken apart by `partition`, and only as far as needed, which costs less
    than `urlsplit` and `parse_qsl`. The queries of one campaign are alike, and those are remembered.
    """
    if "utm_" in url or "id=" in url:  # one of them is in every parameter of a campaign
        query = url.partition("?")[2].partition("#")[0]
        found = (_from_query if len(query) < _REMEMBERED else _from_query.__wrapped__)(query)
        if found is not NO_CAMPAIGN:
            return found
    if not referrer or url.startswith(referrer[: referrer.find("/", _AFTER_SCHEME) + 1] or referrer):
        return NO_CAMPAIGN  # from the same site, as most are: no need to take them apart
    origin = host_of(referrer)
    if not origin or _site(origin) == _site(host_of(url)):
        return NO_CAMPAIGN
    return _from_referrer(origin)


def host_of(url: str) -> str:
    """The host of an absolute address, lower-cased, without user and port; empty for anything else."""
    scheme, found, rest = url.partition("://")
    if not found or not scheme:
        return ""
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    return authority.rpartition("@")[2].partition(":")[0].lower()


@lru_cache(maxsize=4_096)
def _from_query(query: str) -> Campaign:
    fields: dict[str, str] = {}
    for pair in query.split("&", 64):
        name, _, value = pair.partition("=")
        field = _PARAMETERS.get(name)
        if field and value:
            fields[field] = unquote_plus(value)[: _LONGEST.get(field, 256)]
            if field == "click_id":
                fields.setdefault("source", CLICK_IDS[name])
                fields.setdefault("medium", "cpc")
    return Campaign(**fields) if fields else NO_CAMPAIGN


@lru_cache(maxsize=4_096)
def _from_referrer(host: str) -> Campaign:
    return Campaign(source=host[:256], medium=_medium(host))


def _site(host: str) -> str:
    return host.removeprefix("www.").removeprefix("m.")


def _medium(host: str) -> str:
    words = host.split(".")[:-1]  # google.co.uk, l.facebook.com: the name stands before the public suffix
    if any(word in SEARCH_ENGINES for word in words):
        return "organic"
    return "social" if any(word in SOCIAL_SITES for word in words) else "referral"
