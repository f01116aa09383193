"""Country, region and city of an address, from a MaxMind DB file of either common layout."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import maxminddb

from ..rows import Geo, Row
from .arrival import Arrival

_NOWHERE = Geo()


class GeoDatabase:
    """Looks addresses up; without a database every address is nowhere. A step.

    Args:
        path: A `.mmdb` file: MaxMind's GeoIP2 and GeoLite2 (nested names) or the flat layout of ip-location-db. It is mapped,
            not read: update it by renaming a new file over it, never by writing into it.

    Raises:
        OSError, maxminddb.InvalidDatabaseError: the file cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._reader = maxminddb.open_database(path) if path else None
        self.find = lru_cache(maxsize=16_384)(self._find)

    def __call__(self, arrival: Arrival, _rows: list[Row]) -> None:
        """Set `arrival.geo`."""
        if self._reader is not None and arrival.ip:
            arrival.geo = self.find(arrival.ip)

    def _find(self, ip: str) -> Geo:
        try:
            record = self._reader.get(ip) if self._reader else None
        except (TypeError, ValueError):  # not text, not an address, or IPv6 in an IPv4 database
            return _NOWHERE
        return read_record(record) if isinstance(record, dict) else _NOWHERE


def read_record(record: dict[str, Any]) -> Geo:
    """Read a record of either layout."""
    if "country_code" in record:
        return Geo(_text(record["country_code"]), _text(record.get("state1")), _text(record.get("city")))
    regions = record.get("subdivisions") or [{}]
    country = record.get("country") or record.get("registered_country") or {}
    return Geo(_text(country.get("iso_code")), _english(regions[0]), _english(record.get("city") or {}))


def _english(place: dict[str, Any]) -> str:
    return _text((place.get("names") or {}).get("en"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
