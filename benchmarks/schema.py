"""Which sorting key, codecs and types `events_raw` should have: measured on made-up events.

    python -m benchmarks.schema                     # every group, 1 M events, about five minutes on two cores
    python -m benchmarks.schema keys --events 2000000 --json benchmarks/results/schema.json

In: nothing but the migration itself: each contender is its text with one thing changed. Out: tables, and JSON when
asked. Contenders are asked in turn, several times over, and the median counts: compare the ratios, not the times.
Every contender holds merged history and, as in life, a fresh day in many small parts.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks import schema_data
from benchmarks.schema_contenders import GROUPS, Contender
from stitchline_collector.engine import Engine

if TYPE_CHECKING:
    from stitchline_collector.engine import Session

COLUMNS = (
    "event_id type name occurred_at device_time seq identifiers linked channel stage session_id page campaign consent "
    "properties device sent_at received_at source sdk ip geo agent clock"
).split()
FRESH_PARTS = 20
BODY_ROWS = 50_000


FUNNEL = "windowFunnel(86400)(toDateTime(occurred_at), name = 'product_viewed', name = 'product_added', name = 'order_completed')"
QUERIES = {
    "one person's timeline": "SELECT occurred_at, name, channel, page.url FROM {t} WHERE device_node IN {devices} OR person_node IN {persons} ORDER BY occurred_at",
    "funnel of a month": f"SELECT level, count() FROM (SELECT device_node, {FUNNEL} AS level FROM {{t}} WHERE occurred_at >= '2026-10-01' AND "
    "occurred_at < '2026-11-01' AND name IN ('product_viewed', 'product_added', 'order_completed') GROUP BY device_node) GROUP BY level ORDER BY level",
    "a month by day, channel": "SELECT toDate(occurred_at) AS day, channel, count() FROM {t} WHERE occurred_at >= '2026-10-01' AND "
    "occurred_at < '2026-11-01' GROUP BY day, channel ORDER BY day, channel",
    "a week's revenue": "SELECT count(), sum({price}) FROM {t} WHERE name = 'order_completed' AND occurred_at >= '2026-10-05' "
    "AND occurred_at < '2026-10-12'",
    "last five minutes": "SELECT name, count() FROM {t} WHERE received_at >= '{recent}' GROUP BY name ORDER BY name",
    "everything, by name": "SELECT name, count() FROM {t} GROUP BY name ORDER BY name",
}


class Arena:
    """A throw-away database with the made-up events, and the contenders' tables.

    Args:
        session: on the embedded engine.
        events: how many were made.
    """

    def __init__(self, session: Session, events: int) -> None:
        self._session = session
        people = max(1, events // schema_data.EVENTS_PER_PERSON)
        parameters = {
            "events": events,
            "people": people,
            "days": schema_data.DAYS,
            "first_day": schema_data.FIRST_DAY,
        }
        session.command(schema_data.MAKE, parameters=parameters)
        self._literals = self._person() | {
            "recent": str(self._one("SELECT max(received_at) - INTERVAL 5 MINUTE FROM made"))[:23]
        }
        body = f"SELECT * FROM made WHERE cityHash64(event_id) % {max(1, events // BODY_ROWS)} = 0 ORDER BY received_at"
        self.body = _as_body(session, body)

    def fill(self, contender: Contender) -> str:
        """Make and fill a contender's table as life would: merged history, then a fresh day in small parts."""
        table = "c_" + re.sub(r"\W+", "_", contender.name)
        self._session.command(contender.ddl(f"bench.{table}"))
        self._insert(table, "received_at < (SELECT max(received_at) - INTERVAL 1 DAY FROM made)")
        self._session.command(f"OPTIMIZE TABLE {table} FINAL")
        self._session.command(f"SYSTEM STOP MERGES bench.{table}")
        for part in range(FRESH_PARTS):
            start = f"(SELECT max(received_at) FROM made) - INTERVAL {86400 * (FRESH_PARTS - part) // FRESH_PARTS} SECOND"
            end = f"(SELECT max(received_at) FROM made) - INTERVAL {86400 * (FRESH_PARTS - part - 1) // FRESH_PARTS} SECOND"
            last = "=" if part == FRESH_PARTS - 1 else ""
            self._insert(table, f"received_at >= {start} AND received_at <{last} {end}")
        return table

    def insert_rate(self, contender: Contender) -> float:
        """Return rows a second of one body of lines into an empty copy of the table."""
        self._session.command("DROP TABLE IF EXISTS bench.copy SYNC")
        self._session.command(contender.ddl("bench.copy"))
        began = time.perf_counter()
        self._session.insert_body(
            "copy", COLUMNS, self.body, "JSONCompactEachRow", None, {"date_time_input_format": "best_effort"}
        )
        return float(self.body.count(b"\n") / (time.perf_counter() - began))

    def ask(self, query: str, source: str, price: str) -> float:
        """Run one of QUERIES over a table or `table FINAL`; returns milliseconds."""
        text = query.format(t=source, price=price, **self._literals)
        began = time.perf_counter()
        self._session.query(text)
        return (time.perf_counter() - began) * 1000

    def granules(self, query: str, source: str, price: str) -> int:
        """Return how many granules of 8,192 rows ClickHouse reads for it."""
        plan = self._session.query(
            "EXPLAIN indexes = 1 " + query.format(t=source, price=price, **self._literals)
        )
        found = [
            int(line.split()[1].split("/")[0]) for (line,) in plan if line.strip().startswith("Granules:")
        ]
        return found[-1] if found else 0

    def bytes_by_column(self, table: str) -> dict[str, float]:
        """Return compressed bytes an event of each column in the merged history, and of skip indexes and keys as `(indexes)`."""
        # Small fresh parts are compact: ClickHouse does not know the size of a column in them.
        where = f"active AND part_type = 'Wide' AND database = 'bench' AND table = '{table}'"
        events = self._one(f"SELECT sum(rows) FROM system.parts WHERE {where}")
        sizes = self._session.query(
            "SELECT column, sum(column_data_compressed_bytes + column_marks_bytes) FROM system.parts_columns "
            f"WHERE {where} GROUP BY column"
        )
        extra = self._one(
            "SELECT sum(secondary_indices_compressed_bytes + secondary_indices_marks_bytes + primary_key_size) "
            f"FROM system.parts WHERE {where}"
        )
        return {name: size / events for name, size in sizes} | {"(indexes)": extra / events}

    def drop(self, table: str) -> None:
        """Let a contender's table go."""
        self._session.command(f"DROP TABLE bench.{table} SYNC")

    def _insert(self, table: str, condition: str) -> None:
        columns = ", ".join(COLUMNS)
        self._session.command(
            f"INSERT INTO bench.{table} ({columns}) SELECT {columns} FROM made WHERE {condition} ORDER BY received_at"
        )

    def _one(self, sql: str) -> Any:
        return self._session.query(sql)[0][0]

    def _person(self) -> dict[str, str]:
        """Choose somebody with a history on several devices."""
        user = self._one(
            "SELECT identifiers['user'] AS user FROM made WHERE user != '' GROUP BY user "
            "HAVING uniqExact(device.id) > 1 AND count() BETWEEN 15 AND 60 ORDER BY user LIMIT 1"
        )
        devices = self._one(
            f"SELECT groupUniqArray(sipHash64('device', '\\0', device.id)) FROM made WHERE identifiers['user'] = '{user}'"
        )
        person = self._one(f"SELECT sipHash64('user', '\\0', '{user}')")
        return {"devices": str(tuple(devices)), "persons": f"({person})"}


def _as_body(session: Session, sql: str) -> bytes:
    """Return rows as the loader sends them."""
    client = session._client  # noqa: SLF001 (only here are the bytes of an answer wanted)
    text = re.sub(
        r"SELECT \*",
        f"SELECT {', '.join(COLUMNS)}".replace("properties", "properties::JSON AS properties"),
        sql,
    )
    return bytes(client.raw_query(text, fmt="JSONCompactEachRow"))


def measure(arena: Arena, contenders: list[Contender], rounds: int) -> dict[str, Any]:
    """Fill and ask all contenders of a group, in turn.

    Args:
        arena: holds the events.
        contenders: at least one.
        rounds: how often each is asked; medians count.

    Returns:
        By contender: `bytes` by column, `insert_rows_s`, and per query `ms`, `ms_without_final`, `granules`.
    """
    tables = {contender.name: arena.fill(contender) for contender in contenders}
    found: dict[str, Any] = {
        name: {"bytes": arena.bytes_by_column(table), "queries": {}} for name, table in tables.items()
    }
    rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            rates[contender.name].append(arena.insert_rate(contender))
    for name, values in rates.items():
        found[name]["insert_rows_s"] = statistics.median(values)
    for query_name, query in QUERIES.items():
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for contender in contenders:
                table = tables[contender.name]
                for source in (f"{table} FINAL", table):
                    times.setdefault((contender.name, source[len(table) :]), []).append(
                        arena.ask(query, source, contender.price)
                    )
        for contender in contenders:
            name, table = contender.name, tables[contender.name]
            found[name]["queries"][query_name] = {
                "ms": statistics.median(times[name, " FINAL"]),
                "ms_without_final": statistics.median(times[name, ""]),
                "granules": arena.granules(query, f"{table} FINAL", contender.price),
            }
    for table in tables.values():
        arena.drop(table)
    return found


def print_group(console: Console, group: str, found: dict[str, Any]) -> None:
    """Print what was found about one group, contenders as columns."""
    totals = Table(title=f"{group}: size, insert, queries with FINAL (without), granules read")
    totals.add_column("")
    for name in found:
        totals.add_column(name, justify="right")
    totals.add_row("bytes an event", *[f"{sum(one['bytes'].values()):.1f}" for one in found.values()])
    totals.add_row("insert, rows/s", *[f"{one['insert_rows_s']:,.0f}" for one in found.values()])
    for query in QUERIES:
        cells = [one["queries"][query] for one in found.values()]
        totals.add_row(
            query,
            *[
                f"{cell['ms']:.0f} ({cell['ms_without_final']:.0f}) ms\n{cell['granules']} gr"
                for cell in cells
            ],
        )
    console.print(totals)


def print_columns(console: Console, group: str, found: dict[str, Any]) -> None:
    """Print bytes an event of each column, contenders as columns."""
    table = Table(title=f"{group}: bytes an event")
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
    columns = sorted({column for one in found.values() for column in one["bytes"]})
    for column_name in columns:
        table.add_row(column_name, *[f"{one['bytes'].get(column_name, 0):.2f}" for one in found.values()])
    console.print(table)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schema", description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS], help="default: all of them")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    console = Console()
    results: dict[str, Any] = {"events": options.events}
    with (
        tempfile.TemporaryDirectory() as folder,
        Engine.open(f"chdb://{folder}/clickhouse", database="bench") as engine,
    ):
        session = engine.session(database="default")
        session.command("CREATE DATABASE bench ENGINE = Atomic")
        arena = Arena(engine.session(), options.events)
        for group in options.groups or GROUPS:
            results[group] = measure(arena, GROUPS[group], options.rounds)
            print_group(console, group, results[group])
            print_columns(console, group, results[group])
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
