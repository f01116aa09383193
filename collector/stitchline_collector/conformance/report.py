"""A report as a table for people, as JSON and as JUnit XML for machines."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

import msgspec
from rich.table import Table

from .checks import CHECKS
from .play import Report, ScenarioResult


def table(report: Report) -> Table:
    """One row for each scenario, and one for each finding."""
    shown = Table(title=report.sdk, title_justify="left", box=None, pad_edge=False)
    for column in ("scenario", "result", "paragraph", "what"):
        shown.add_column(column, overflow="fold")
    for result in report.scenarios:
        if result.skipped:
            shown.add_row(result.name, "skipped", "", result.skipped)
            continue
        failed = result.failed
        outcome = f"{len(result.findings) - len(failed)} of {len(result.findings)} checks hold"
        shown.add_row(result.name, "FAILED" if failed else "passed", "", outcome)
        for name in failed:
            check = CHECKS[name]
            shown.add_row("", "", check.paragraph, f"{check.demand}: {'; '.join(result.findings[name][:3])}")
    return shown


def as_json(report: Report) -> bytes:
    """The whole report; the shape stands in `sdk/spec/conformance.md`."""
    played = [result for result in report.scenarios if not result.skipped]
    checks = sum(len(result.findings) for result in played)
    failed = sum(len(result.failed) for result in played)
    body = {
        "sdk": report.sdk,
        "passed": checks - failed,
        "failed": failed,
        "skipped": len(report.scenarios) - len(played),
        "scenarios": [
            {
                "name": result.name,
                "about": result.about,
                "skipped": result.skipped,
                "seconds": result.seconds,
                "checks": [
                    {**CHECKS[name]._asdict(), "findings": found} for name, found in result.findings.items()
                ],
            }
            for result in report.scenarios
        ],
    }
    return msgspec.json.format(msgspec.json.encode(body)) + b"\n"


def as_junit(report: Report) -> bytes:
    """JUnit XML: a suite for each scenario, a case for each check."""
    suites = "\n".join(_suite(result) for result in report.scenarios)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={_quoted(report.sdk)}>\n{suites}\n</testsuites>\n'
    return text.encode()


def _suite(result: ScenarioResult) -> str:
    cases = [_case(result, name, found) for name, found in result.findings.items()]
    if result.skipped:
        cases = [
            f'<testcase classname={_quoted(result.name)} name="all"><skipped message={_quoted(result.skipped)}/></testcase>'
        ]
    counts = f'tests="{len(cases)}" failures="{len(result.failed)}" skipped="{int(bool(result.skipped))}"'
    head = f'<testsuite name={_quoted(result.name)} {counts} time="{result.seconds}">'
    return "\n".join([head, *cases, "</testsuite>"])


def _case(result: ScenarioResult, name: str, found: list[str]) -> str:
    check = CHECKS[name]
    head = f"<testcase classname={_quoted(result.name)} name={_quoted(name)}"
    if not found:
        return f"{head}/>"
    message = _quoted(f"{check.paragraph}: {check.demand}")
    return f"{head}><failure message={message}>{escape(_plain('; '.join(found)))}</failure></testcase>"


def _quoted(text: str) -> str:
    return quoteattr(_plain(text))


def _plain(text: str) -> str:
    """Without the control characters that XML has no form for."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
