"""What the files of journeys and segments have in common: TOML whose errors name a line, and times in words."""

from __future__ import annotations

import re
import tomllib
from typing import Any

_UNITS_S = {"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
_TIME = re.compile(r"([1-9]\d{0,5}) (minute|hour|day|week)s?")


def toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none; the message begins with the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise ValueError(f"line {line[1] if line else text.count(chr(10)) + 1}: not TOML: {error}") from None


def seconds(text: str) -> int:
    """Read a time as in `3 days`; 0 where it is none."""
    match = _TIME.fullmatch(text)
    return int(match[1]) * _UNITS_S[match[2]] if match else 0


class Lines:
    """Knows on which line a key stands.

    Args:
        text: of the file.
        table: the name of its `[[table]]`s.
    """

    def __init__(self, text: str, table: str) -> None:
        self._lines = text.splitlines()
        begins = re.compile(rf"\s*\[\[\s*{table}\s*\]\]")
        self._begins = [at for at, line in enumerate(self._lines) if re.match(r"\s*\[", line)]
        self._tables = [at for at in self._begins if begins.match(self._lines[at])]

    def of(self, key: str, place: int | None = None) -> int:
        """The line of a key, or of its table where the key is not there; the first line where that is not found.

        Args:
            key: as it is written.
            place: of the table, from 0; None: anywhere.
        """
        start, stop = 0, len(self._lines)
        if place is not None and place < len(self._tables):
            start = self._tables[place]
            stop = next((at for at in self._begins if at > start), stop)
        pattern = re.compile(rf"\s*(?:\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[.=\]]")
        return next((at + 1 for at in range(start, stop) if pattern.match(self._lines[at])), start + 1)
