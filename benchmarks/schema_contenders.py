"""The ways `events_raw` could be written: the migration's own text, with one thing changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stitchline_collector import sql_files


@dataclass(frozen=True)
class Contender:
    """One way to write the table.

    Attributes:
        name: as the tables print it.
        changes: (pattern, replacement) on the migration's text, in order; a pattern that is not found is an error.
        price: how a query reads the property `price`.
    """

    name: str
    changes: tuple[tuple[str, str], ...] = ()
    price: str = "properties.price::Float64"

    def ddl(self, table: str) -> str:
        """Return the statement that makes the table."""
        text = (sql_files.folder("migrations") / "0001_events.sql").read_text(encoding="utf-8")
        statement = text.split(";\n")[0].replace("${database}.events_raw", table)
        for pattern, replacement in self.changes:
            statement, found = re.subn(pattern, replacement, statement, flags=re.DOTALL)
            if not found:
                raise ValueError(f"{self.name}: {pattern!r} is not in the migration any more")
        return statement


def key(order: str, partition: str | None = None) -> tuple[tuple[str, str], ...]:
    """Return the changes to another sorting key, and another partition."""
    changes = [(r"ORDER BY \(.*?\)\n", f"ORDER BY ({order})\n")]
    if partition:
        changes.append((r"PARTITION BY .*?\n", f"PARTITION BY {partition}\n"))
    return tuple(changes)


NO_CODECS = (
    (r"(?: CODEC\([^\n]*\))?,\n", ",\n"),
    (r"SETTINGS (?:default_compression_codec = '[^']*', )?", "SETTINGS "),
)
DAY = "toYYYYMMDD(device_time)"
TIMES = ("occurred_at", "device_time", "sent_at", "received_at")
ZSTD = (("SETTINGS ", "SETTINGS default_compression_codec = 'ZSTD(1)', "),)
_TIME_DEFINITION = r"DateTime64\(3, 'UTC'\)( COMMENT '[^']*')?[^\n]*,"


def time_codec(codec: str) -> tuple[tuple[str, str], ...]:
    """Return the changes that give all four times and `seq` a codec."""
    times = [
        (rf"\n    {name} {_TIME_DEFINITION}", f"\n    {name} DateTime64(3, 'UTC') CODEC({codec}),")
        for name in TIMES
    ]
    return (*times, (r"\n    seq UInt64,", f"\n    seq UInt64 CODEC({codec}),"))


GROUPS: dict[str, list[Contender]] = {
    "keys": [
        Contender("device", key("device.id, device_time, event_id")),
        Contender("hour, device", key("toStartOfHour(device_time), device.id, device_time, event_id")),
        Contender("day, device", key(f"{DAY}, device.id, device_time, event_id")),
        Contender("day, name, device", key(f"{DAY}, name, device.id, device_time, event_id")),
        Contender("name, day, device", key(f"name, {DAY}, device.id, device_time, event_id")),
    ],
    "partitions": [
        Contender("month"),
        Contender("week", ((r"PARTITION BY .*?\n--", "PARTITION BY toMonday(device_time)\n--"),)),
        Contender("none", ((r"PARTITION BY .*?\n--", "--"),)),
    ],
    "codecs": [
        Contender("LZ4", NO_CODECS),
        Contender("ZSTD(1)", NO_CODECS + ZSTD),
        Contender("ZSTD(3)", (*NO_CODECS, ("SETTINGS ", "SETTINGS default_compression_codec = 'ZSTD(3)', "))),
        Contender("Delta", NO_CODECS + ZSTD + time_codec("Delta(8), ZSTD(1)")),
        Contender("DoubleDelta", NO_CODECS + ZSTD + time_codec("DoubleDelta, ZSTD(1)")),
        Contender("as chosen"),
    ],
    "types": [
        Contender("as chosen"),
        Contender(
            "by received_at",
            (
                (
                    r"MATERIALIZED toUInt64\(4611.*?\)\),\n",
                    "MATERIALIZED 4611686018427387904 - toUnixTimestamp64Milli(received_at),\n",
                ),
            ),
        ),
        Contender(
            "String props",
            ((r"properties JSON[^\n]*,\n", "properties String,\n"),),
            "JSONExtractFloat(properties, 'price')",
        ),
        Contender("no index", ((r",\n\n    INDEX .*?\n\)", "\n)"),)),
        Contender("plain text", ((r"LowCardinality\(String\)", "String"),)),
    ],
}
