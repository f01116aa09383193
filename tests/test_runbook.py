"""Alert rules, metrics and runbook belong together."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import CollectorProcess
from tests.system.ledger import metrics, wait_until_loaded

ROOT = Path(__file__).parents[1]
RULES = (ROOT / "examples/prometheus/alerts.yaml").read_text()
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
_METRIC = re.compile(r"\bstitchline_\w+")
_SELECTED = re.compile(r'(stitchline_\w+)\{(\w+)="(\w+)"\}')
LOGS = (ROOT / "docs/logs.md").read_text()
PARTS = ("**Means.**", "**At risk.**", "**Look at.**", "**Do.**")
ALERTS = re.findall(r"- alert: (\w+)\n", RULES)


def test_every_metric_that_a_rule_or_the_runbook_names_is_there(
    collector: Callable[..., CollectorProcess],
) -> None:
    text = collector().request("GET", "/metrics")[2].decode()
    there = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))

    assert set(_METRIC.findall(RULES)) | set(_METRIC.findall(RUNBOOK)) <= there
    for name, label, value in _SELECTED.findall(RULES):
        assert f'{name}{{{label}="{value}"}}' in text


def test_the_sum_of_what_is_unaccounted_for_has_every_term_and_is_zero_when_all_is_loaded(
    collector: Callable[..., CollectorProcess],
) -> None:
    running = collector()
    running.send({"type": "track", "name": "x"}, {"type": "none"})
    running.sql_until("SELECT (SELECT count() FROM events) + (SELECT count() FROM failed_events)", [[2]])
    wait_until_loaded(running)
    found = metrics(running)
    rule = RULES.partition("alert: StitchlineEventsUnaccounted\n")[2].partition("> 0\n")[0]
    terms = re.findall(r"(?:([+-]) on \(instance\) )?(stitchline_\w+(?:\{.*?\})?)\n", rule)

    counted = {name for name in found if re.fullmatch(r'stitchline_rows_\w+\{kind="accepted"\}', name)}
    assert {name for _, name in terms} == {"stitchline_events_accepted_total", *counted}
    assert sum(-found[name] if sign == "-" else found[name] for sign, name in terms) == 0
    assert found["stitchline_events_accepted_total"] == 1


def test_every_alert_has_a_section_of_the_runbook_and_every_section_an_alert() -> None:
    assert len(ALERTS) > 5
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == ALERTS
    assert re.findall(r"runbook: docs/runbook.md#(\w+)", RULES) == [alert.lower() for alert in ALERTS]


@pytest.mark.parametrize("alert", ALERTS)
def test_a_section_says_what_it_means_what_is_at_risk_what_to_look_at_and_what_to_do(alert: str) -> None:
    section = RUNBOOK.partition(f"\n## {alert}\n")[2].partition("\n## ")[0]

    assert [part for part in PARTS if part in section] == list(PARTS)
    for place in re.findall(r"\]\(#(\w+)\)", section):
        assert place in map(str.lower, ALERTS)


def test_the_lines_of_the_log_that_the_runbook_names_are_there() -> None:
    events = set(re.findall(r"^\| `(\w+)` \|", LOGS, re.MULTILINE))
    table = RUNBOOK.partition("| event | in text |\n|---|---|\n")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    assert len(named) > 8
    assert named <= events
