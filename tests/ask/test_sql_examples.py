"""The dashboard and the notebook of `examples/` work on what a collector took."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest

from tests.sql_port import sql_port_of, started

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
DASHBOARD: dict[str, Any] = json.loads((EXAMPLES / "grafana" / "dashboard.json").read_text())
NOTEBOOK: dict[str, Any] = json.loads((EXAMPLES / "notebook" / "journeys.ipynb").read_text())
# What the plugin makes of its macros, and Grafana of a variable.
MACROS = (
    (r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime(0) AND \1 <= toDateTime(4102444800)"),
    (r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)"),
    (r"\$\{channel:singlequote\}", "'app','web'"),
)
STATEMENTS = {panel["title"]: panel["targets"][0]["rawSql"] for panel in DASHBOARD["panels"]} | {
    variable["label"]: variable["query"] for variable in DASHBOARD["templating"]["list"]
}


@pytest.fixture(scope="module")
def port(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A collector that knows one person on two devices, and one rejected event."""
    with started(folder_template, tmp_path_factory.mktemp("examples")) as collector:
        for device, channel, stage in (("laptop", "web", "awareness"), ("phone", "app", "purchase")):
            event = {"type": "track", "name": "seen", "channel": channel, "stage": stage}
            collector.send(event, {"type": "nonsense"}, device={"id": device}, identifiers={"user": "42"})
        collector.sql_until("SELECT max(devices) FROM people", [[2]])
        collector.sql_until("SELECT count() FROM failed_events", [[2]])
        yield sql_port_of(collector)


def _filled(statement: str) -> str:
    for macro, meaning in MACROS:
        statement = re.sub(macro, meaning, statement)
    assert "$" not in statement
    return statement


@pytest.mark.parametrize("title", STATEMENTS)
def test_every_panel_of_the_dashboard_shows_what_was_sent(port: int, title: str) -> None:
    with closing(clickhouse_connect.get_client(host="localhost", port=port)) as client:
        assert client.query(_filled(STATEMENTS[title])).result_rows


def test_the_dashboards_hand_over_is_that_of_the_person(port: int) -> None:
    statement = next(sql for title, sql in STATEMENTS.items() if title.startswith("From channel"))
    with closing(clickhouse_connect.get_client(host="localhost", port=port)) as client:
        assert [row[:3] for row in client.query(_filled(statement)).result_rows] == [("web", "app", 1)]


def test_the_notebook_runs_from_top_to_bottom(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STITCHLINE_SQL_PORT", str(port))
    names: dict[str, Any] = {}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["people"].to_dict("records") == [{"devices": 2, "people": 1}]
    assert set(names["stages"]["stage"]) == {"awareness", "purchase"}
    assert names["hand_overs"].to_dict("records") == [{"channel": "web", "next_channel": "app", "people": 1}]
    assert list(names["journey"]["channel"]) == ["web", "app"]


def test_the_notebook_is_kept_without_its_answers() -> None:
    assert all(not cell.get("outputs") for cell in NOTEBOOK["cells"])
