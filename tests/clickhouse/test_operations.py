"""What clickhouse/README.md tells operators to do, done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.clickhouse.lines import event, insert, line

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

README = (Path(__file__).parents[2] / "clickhouse" / "README.md").read_text(encoding="utf-8")


def _blocks(heading: str) -> list[str]:
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    statements = "\n".join(re.findall(r"```sql\n(.*?)```", section, re.DOTALL))
    return [statement.strip() for statement in re.split(r";\s*\n", statements) if statement.strip()]


def test_the_analysts_examples_run(engine: Engine) -> None:
    session = engine.session()
    insert(session, line(event(1, name="order_completed")))
    statements = _blocks("For analysts")

    assert len(statements) >= 4
    for statement in statements:
        session.query(statement)


def test_keeping_events_for_a_while_drops_the_old_ones(engine: Engine) -> None:
    session = engine.session()
    insert(
        session,
        line(event(1)),
        line(event(2, device_time="2021-01-01T00:00:00Z", received_at="2021-01-01T00:00:00Z")),
    )
    for statement in _blocks("Keeping events for a while"):
        session.command(statement.replace("stitchline.", f"{engine.database}."))
    session.command("OPTIMIZE TABLE events_raw FINAL")

    assert session.query("SELECT groupArray(seq) FROM events") == [([1],)]
