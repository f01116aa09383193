"""`stitchline identity`: how stitching is doing."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .remote import Remote, asks_a_collector

_WIDEST = 100
_NUMBERS = ("UInt", "Int", "Float")


class Part(NamedTuple):
    """One table of the report.

    Attributes:
        title: over the table.
        empty: instead of it, where there are no rows.
        view: that analysts ask for the same.
        sql: with `{days}` and `{top}`.
    """

    title: str
    empty: str
    view: str
    sql: str


PARTS = {
    "found_by": Part(
        "How the person of an event was found",
        "no events in these days",
        "identity_found_by",
        "SELECT toString(found_by) AS found_by, sum(events) AS events, round(100 * events / sum(events) OVER (), 1) AS percent "
        "FROM identity_found_by WHERE day > today() - {days} GROUP BY found_by ORDER BY events DESC",
    ),
    "largest_persons": Part(
        "Largest persons",
        "nobody is known by two identifiers yet",
        "identity_person_sizes",
        "SELECT named_by AS person, identifiers, users, devices, contacts, toString(person_id) AS person_id "
        "FROM identity_person_sizes WHERE identifiers > 1 ORDER BY identifiers DESC, person_id LIMIT {top}",
    ),
    "shared_devices": Part(
        "Shared devices: they belong to nobody",
        "no shared devices",
        "identity_nobodys",
        "SELECT concat(namespace, ':', value) AS device, because, users, contacts, toDate(last_seen) AS last_seen "
        "FROM identity_nobodys WHERE namespace IN ('device', 'anonymous') ORDER BY neighbours DESC, device LIMIT {top}",
    ),
    "hubs": Part(
        "Hubs: seen with too many to be one person's",
        "no hubs",
        "identity_nobodys",
        "SELECT concat(namespace, ':', value) AS identifier, because, neighbours, toDate(last_seen) AS last_seen "
        "FROM identity_nobodys WHERE namespace NOT IN ('device', 'anonymous') ORDER BY neighbours DESC, identifier LIMIT {top}",
    ),
    "quarantine": Part(
        "Evidence that was refused, by rule",
        "nothing was refused",
        "identity_quarantine_by_rule",
        "SELECT rule, edges, toDate(last_refused) AS last_refused FROM identity_quarantine_by_rule ORDER BY edges DESC, rule",
    ),
    "changes": Part(
        "Persons that changed, by day",
        "no changes in these days",
        "identity_changes_by_day",
        "SELECT day, merged, split_off, became_nobodys, moved FROM identity_changes_by_day WHERE day > today() - {days} "
        "ORDER BY day DESC LIMIT {top}",
    ),
    "refused_values": Part(
        "Values that name nobody",
        "none came in these days",
        "identity_refused_values",
        "SELECT namespace, value, because, sum(events) AS events FROM identity_refused_values WHERE day > today() - {days} "
        "GROUP BY namespace, value, because ORDER BY events DESC, namespace, value LIMIT {top}",
    ),
}


@click.group()
def identity() -> None:
    """See how stitching is doing.

    \b
    Example:
      stitchline identity health --days 7
    """


@identity.command()
@click.option(
    "--days",
    default=30,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Days to look at, where a table is about days.",
)
@click.option("--top", default=5, show_default=True, type=click.IntRange(1, 1000), help="Rows of each table.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: rows by table.")
@asks_a_collector
def health(days: int, top: int, url: str, key: str, *, as_json: bool) -> None:
    """Print what deserves a look: large persons, shared devices, refused evidence, changes, rubbish.

    Each table names the view that analysts ask for the same and more.

    \b
    Examples:
      stitchline identity health
      stitchline identity health --days 7 --top 20
    """
    remote = Remote(url, key)
    answers = {name: _asked(remote, part, days, top) for name, part in PARTS.items()}
    if as_json:
        click.echo(json.dumps({name: answer["data"] for name, answer in answers.items()}, ensure_ascii=False))
        return
    console = Console()
    console.print(render(answers, days), width=min(console.width, _WIDEST))


def render(answers: dict[str, dict[str, Any]], days: int) -> RenderableType:
    """Draw the answers, each as ClickHouse's JSON."""
    parts: list[RenderableType] = []
    for name, answer in answers.items():
        part = PARTS[name]
        about = f"  last {days} days" if "{days}" in part.sql else ""
        parts.append(
            Text.assemble(("\n" if parts else "", ""), (part.title, "bold"), (f"{about}  {part.view}", "dim"))
        )
        parts.append(_table(answer) if answer["data"] else Text(f"  {part.empty}", style="dim"))
    return Group(*parts)


def _asked(remote: Remote, part: Part, days: int, top: int) -> dict[str, Any]:
    statement = part.sql.format(days=days, top=top)
    answer: dict[str, Any] = json.loads(remote.post("v1/sql", statement.encode(), {"format": "JSON"}))
    return answer


def _table(answer: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", show_edge=False, padding=(0, 2, 0, 0))
    for column in answer["meta"]:
        is_number = column["type"].startswith(_NUMBERS)
        table.add_column(
            column["name"].replace("_", " "),
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="ellipsis",
            max_width=44,
        )
    for row in answer["data"]:
        table.add_row(*(Text(_cell(column["type"], row[column["name"]])) for column in answer["meta"]))
    return table


def _cell(kind: str, value: object) -> str:
    if kind.startswith(("UInt", "Int")):
        return f"{int(str(value)):,}"  # 64 bits come as text
    return str(value)
