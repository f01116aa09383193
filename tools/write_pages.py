# noqa: INP001 (a script, in no package)
"""Write what pages take from the program and from each other: settings, lines of the log, the list of decisions, the sizes.

In: the settings' table; the calls that write the log; the titles of `docs/decisions/0*.md`; the figures of `benchmarks/results`. Out:
`docs/configuration.md`, `docs/logs.md`, `docs/decisions/README.md` and `docs/operations.md`, changed between their markers. Run it after
one changed; a test fails until then.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from stitchline_collector.settings import reference

DOCS = Path(__file__).parents[1] / "docs"
COLLECTOR = DOCS.parent / "collector" / "stitchline_collector"
RESULTS = DOCS.parent / "benchmarks" / "results"
SHARE = 0.5  # of what was measured is planned with


def decisions() -> str:
    """The list of decision records, by number, each with its title."""
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    titles = [record.read_text().partition("\n")[0].removeprefix("# ") for record in records]
    return "".join(f"- [{title}]({record.name})\n" for title, record in zip(titles, records, strict=True))


def log_events() -> str:
    """The table of what the collector's log says, from the calls that say it."""
    found: dict[str, tuple[set[str], list[str], list[str]]] = {}
    for level, event, words, fields in log_calls():
        levels, texts, names = found.setdefault(event, (set(), [], []))
        levels.add("error" if level == "exception" else level)
        texts += [words] if words not in texts else []
        names += [name for name in fields if name not in names]
    lines = ["| event | level | words | fields |", "|---|---|---|---|"]
    for event, (levels, texts, names) in sorted(found.items()):
        said = "; ".join(re.sub(r"%\((\w+)\)[.\d]*\w", r"*\1*", text) for text in texts)
        shown = ", ".join(f"`{name}`" for name in names)
        lines.append(f"| `{event}` | {', '.join(sorted(levels))} | {said} | {shown} |")
    return "\n".join([*lines, ""])


def log_calls() -> Iterator[tuple[str, str, str, list[str]]]:
    """Each call that writes a line of the log: its level, event, words and fields."""
    for file in sorted(COLLECTOR.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(ast.Attribute(ast.Name("log"), level), [ast.Constant(str(words))], keywords):
                    given = {one.arg or "**": one.value for one in keywords}
                    event = ast.literal_eval(given.pop("event"))
                    yield level, event, words, list(given)


def sizes() -> str:
    """The table of what so many events a second need, from measured figures."""
    at_50 = _measured("ingest", "All threads of a contender on one core", "50/req, 128 conn", "collector/s")
    at_1 = _measured("ingest", "All threads of a contender on one core", "1/req, 128 conn", "collector/s")
    loaded = _measured("load", "Loading, ClickHouse server", "loader", "events/s")
    sent, spooled, kept = (
        _measured("bytes", "Bytes an event on its way", name, "bytes")
        for name in (
            "JSON over HTTP, 50 events a request",
            "the spool on disk",
            "ClickHouse, merged, indexes included",
        )
    )
    lines = [
        (
            "| events/s at the peak | collector cores, 50 events a request | cores, 1 event a request | shards of 2 cores | MB/s in "
            "| ClickHouse, GB a day at that rate | spool, GB an hour while ClickHouse is away |"
        ),
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for rate in (100, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000):
        cores = [max(1, math.ceil(rate / (SHARE * one))) for one in (at_50, at_1, loaded)]
        disk = [rate * sent / 1e6, rate * kept * 86_400 / 1e9, rate * spooled * 3_600 / 1e9]
        cells = [f"{rate:,}", *map(str, cores), *(f"{one:,.1f}" for one in disk)]
        lines.append(f"| {' | '.join(cells)} |")
    basis = (
        f"{at_50:,.0f} and {at_1:,.0f} events/s acknowledged by one core, {loaded:,.0f} events/s loaded into a server on 2 cores "
        f"that it shared with the loader, {sent:,.0f}, {spooled:.1f} and {kept:.1f} bytes an event; {SHARE:.0%} of the speeds."
    )
    return "\n".join([*lines, "", f"Computed from {basis}", ""])


def _measured(name: str, table: str, row: str, column: str) -> float:
    """One figure of a benchmark's last whole run."""
    tables = json.loads((RESULTS / f"{name}.json").read_text())["finding"]["tables"]
    found = next(one for one in tables if one["title"].startswith(table))
    cells = next(cells for cells in found["rows"] if " ".join(cells[0].split()) == row)
    return float(cells[found["columns"].index(column)].replace(",", ""))


def pages() -> dict[Path, str]:
    """Each page with what belongs between its markers."""
    return {
        page: _between((DOCS / page).read_text(), marker, content)
        for page, marker, content in (
            (DOCS / "configuration.md", "settings", reference()),
            (DOCS / "logs.md", "events", log_events()),
            (DOCS / "decisions" / "README.md", "decisions", decisions()),
            (DOCS / "operations.md", "sizes", sizes()),
        )
    }


def _between(page: str, marker: str, content: str) -> str:
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    before, _, rest = page.partition(begin)
    return before + begin + content + end + rest.partition(end)[2]


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
