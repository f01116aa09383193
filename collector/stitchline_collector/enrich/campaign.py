"""Where a visit came from: the URL's campaign parameters, else its referrer."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

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
}
_NONE = Campaign()
_CACHEABLE = 1024  # characters: longer addresses are rare, and would fill the cache with themselves


def campaign(_arrival: Arrival, rows: list[Row]) -> None:
    """Fill in the campaign of events that name none themselves; a step."""
    for row in rows:
        page = row.page
        if (page.url or page.referrer) and row.campaign == _NONE:
            find = _recent if len(page.url) + len(page.referrer) < _CACHEABLE else read_campaign
            row.campaign = find(page.url, page.referrer)


def read_campaign(url: str, referrer: str) -> Campaign:
    """Campaign of a landing page: its `utm_*` parameters and click id, else its foreign referrer, else nothing."""
    try:
        landing, origin = urlsplit(url), urlsplit(referrer)
        landing_host, origin_host = landing.hostname or "", origin.hostname or ""
        parameters = dict(parse_qsl(landing.query, max_num_fields=64))
    except ValueError:  # a broken address names no campaign
        return _NONE
    fields = {name: parameters[key][:256] for key, name in _PARAMETERS.items() if key in parameters}
    for key, source in CLICK_IDS.items():
        if key in parameters:
            fields = {"source": source, "medium": "cpc", **fields, "click_id": parameters[key][:512]}
            break
    if fields:
        return Campaign(**fields)
    if not origin_host or _site(origin_host) == _site(landing_host):
        return _NONE
    return Campaign(source=origin_host[:256], medium=_medium(origin_host))


_recent = lru_cache(maxsize=8_192)(read_campaign)


def _site(host: str) -> str:
    return host.removeprefix("www.").removeprefix("m.")


def _medium(host: str) -> str:
    words = host.split(".")[:-1]  # google.co.uk, l.facebook.com: the name stands before the public suffix
    if any(word in SEARCH_ENGINES for word in words):
        return "organic"
    return "social" if any(word in SOCIAL_SITES for word in words) else "referral"
