"""Made-up traffic: batches as an app's SDK sends them.

In: a seed and how many. Out: batches ready to be encoded, about 740 bytes an event. Guaranteed: the same seed gives the same
people, devices and words; times are those of the call.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import uuid
from collections.abc import Iterator
from typing import Any

EVENTS_PER_SESSION = 12
SIGNED_IN = 0.6  # of the people
WITH_EMAIL = 0.5  # of the people who are signed in: a keyed hash for each of their events
CAMPAIGNS = 0.25  # of the sessions begin with a campaign's link

NAMES = (
    ("page", "product_page", "awareness"),
    ("track", "product_viewed", "consideration"),
    ("track", "product_viewed", "consideration"),
    ("track", "search_performed", "consideration"),
    ("track", "product_added", "consideration"),
    ("track", "checkout_started", "purchase"),
    ("track", "order_completed", "purchase"),
    ("screen", "account", "retention"),
)
DEVICES = (
    ("phone", "iOS", "18.1", "Apple", "iPhone15,2", "app", 390, 844),
    ("phone", "Android", "15", "Google", "Pixel 8", "app", 412, 915),
    ("phone", "Android", "14", "Samsung", "SM-S911B", "mobile_web", 360, 780),
    ("desktop", "Windows", "11", "", "", "web", 1920, 1080),
    ("desktop", "macOS", "15.1", "Apple", "", "web", 1512, 982),
    ("tablet", "iPadOS", "18.1", "Apple", "iPad14,3", "app", 834, 1194),
)
USER_AGENTS = tuple(
    text.format(version)
    for version in range(124, 132)
    for text in (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{} Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    )
)
CATEGORIES = tuple("shoes/running shoes/trail shirts/sport bags/travel watches/outdoor jackets/rain".split())
COLOURS = tuple("blue black white red green grey".split())
LOCALES = (
    ("de-DE", "Europe/Berlin"),
    ("en-GB", "Europe/London"),
    ("fr-FR", "Europe/Paris"),
    ("en-US", "America/New_York"),
)
SOURCES = (("google", "cpc"), ("newsletter", "email"), ("facebook", "social"), ("partner", "affiliate"))


class Traffic:
    """Who sends, and what.

    Args:
        seed: the same one gives the same people and events.
        people: among how many the events are shared; a few of them send many.
    """

    def __init__(self, seed: int, people: int = 50_000) -> None:
        self._random = random.Random(seed)
        self._people = people

    def batches(self, count: int, events: int) -> Iterator[dict[str, Any]]:
        """Yield `count` batches of `events` events each, one device and person a batch."""
        for _ in range(count):
            yield self._batch(events)

    def address(self) -> str:
        """An IP address somewhere in the public ranges."""
        return (
            f"{self._random.randint(11, 99)}.{self._random.randint(0, 255)}.{self._random.randint(0, 255)}.7"
        )

    def user_agent(self) -> str:
        """One of the browsers in use."""
        return self._random.choice(USER_AGENTS)

    def _batch(self, events: int) -> dict[str, Any]:
        person = int(self._people * self._random.random() ** 2)
        device, channel = self._device(person)
        sent_at = now()
        who = self._identifiers(person, device["id"])
        shopper = _Session(self._random, who, channel, sent_at, events)
        return {
            "sent_at": moment(sent_at),
            "sdk": {"name": "stitchline-python", "version": "0.1.0"},
            "device": device,
            "events": [shopper.event(index) for index in range(events)],
        }

    def _device(self, person: int) -> tuple[dict[str, Any], str]:
        own = random.Random(person * 4 + self._random.randrange(1 + person % 3))  # a person has one to three
        kind, system, version, maker, model, channel, width, height = own.choice(DEVICES)
        locale, timezone = own.choice(LOCALES)
        device: dict[str, Any] = {
            "id": str(uuid.UUID(int=own.getrandbits(128), version=4)),
            "type": kind,
            "os": system,
            "os_version": version,
        }
        device |= {
            "manufacturer": maker,
            "model": model,
            "app_version": "5.2.1",
            "locale": locale,
            "timezone": timezone,
        }
        device |= {"screen_width": width, "screen_height": height}
        return {name: value for name, value in device.items() if value}, channel

    def _identifiers(self, person: int, device_id: str) -> dict[str, str]:
        own = random.Random(person)
        who = {"anonymous": device_id[:23]}
        if own.random() < SIGNED_IN:
            who["user"] = f"u{person:07d}"
            if own.random() < WITH_EMAIL:
                who["email"] = hashlib.sha256(f"person{person}@example.com".encode()).hexdigest()
        return who


class _Session:
    """One device's events, in order."""

    def __init__(
        self, chance: random.Random, who: dict[str, str], channel: str, ends: dt.datetime, events: int
    ) -> None:
        self._chance = chance
        self._who = who
        self._channel = channel
        self._starts = ends - dt.timedelta(milliseconds=200 * events)
        self._seq = chance.randrange(1, 5_000)
        self._session_id = ""
        self._query = ""

    def event(self, index: int) -> dict[str, Any]:
        if index % EVENTS_PER_SESSION == 0:
            self._begin()
        kind, name, stage = self._chance.choice(NAMES)
        product = int(2_000 * self._chance.random() ** 2)
        at = self._starts + dt.timedelta(milliseconds=200 * index + self._chance.randrange(150))
        return {
            "event_id": str(uuid7(at, self._chance)),
            "type": kind,
            "name": name,
            "occurred_at": moment(at),
            "seq": self._seq + index,
            "identifiers": self._who,
            "channel": self._channel,
            "stage": stage,
            "session_id": self._session_id,
            "page": self._page(product),
            "properties": self._properties(product),
        }

    def _begin(self) -> None:
        self._session_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        source, medium = self._chance.choice(SOURCES)
        number = self._chance.randrange(40)
        from_campaign = self._chance.random() < CAMPAIGNS
        self._query = (
            f"?utm_source={source}&utm_medium={medium}&utm_campaign=autumn-{number}" if from_campaign else ""
        )

    def _page(self, product: int) -> dict[str, str]:
        path = CATEGORIES[product % len(CATEGORIES)]
        url = f"https://shop.example/products/{path}/{product}{self._query}"
        return {
            "url": url,
            "title": f"Model {product}, our favourite of the season",
            "referrer": f"https://shop.example/list/{path}?page={product % 20}&sort=price",
        }

    def _properties(self, product: int) -> dict[str, Any]:
        return {
            "price": round(9.9 + product % 190, 2),
            "currency": "EUR",
            "sku": f"SKU-{product:06d}",
            "category": CATEGORIES[product % len(CATEGORIES)],
            "position": self._chance.randrange(40),
            "list": "search results",
            "in_stock": product % 9 != 0,
            "colour": COLOURS[product % len(COLOURS)],
            "sizes": [41, 42, 43],
        }


def uuid7(at: dt.datetime, chance: random.Random) -> uuid.UUID:
    """A UUIDv7 of a moment (RFC 9562)."""
    value = int(at.timestamp() * 1000) << 80 | chance.getrandbits(80)
    return uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def now() -> dt.datetime:
    """The time of this machine."""
    return dt.datetime.now(dt.UTC)


def moment(when: dt.datetime) -> str:
    """A time as the protocol writes it: `2026-11-22T10:11:12.123Z`."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"
