"""`stitchline simulate`, `import`, `serve` and `evaluate`, one after the other, as somebody would type them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from stitchline_collector.cli import cli
from tests.evaluate.worlds import Told, write
from tests.processes import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processes import CollectorProcess


def stitchline(*arguments: str) -> str:
    command = [sys.executable, "-m", "stitchline_collector", *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_simulated_world_is_imported_stitched_by_a_collector_and_evaluated(
    collector: Callable[..., CollectorProcess], dsn: str, tmp_path: Path
) -> None:
    world = tmp_path / "world"
    made = json.loads(stitchline("simulate", "--people", "60", "--seed", "2", "--out", str(world), "--json"))
    process = collector(start=False)
    files = map(str, sorted(world.glob("events-*")))
    stitchline("import", "--data", str(process.data), "--clickhouse", dsn, *files)
    process.start()
    process.sql_until("SELECT count() FROM identity_inbox", [[0]])
    asked = ("--url", process.url, "--key", KEY, "--plots", str(tmp_path / "plots"), "--json")
    result: dict[str, Any] = json.loads(stitchline("evaluate", "--truth", str(world), *asked))
    assert result["missing"] == result["foreign"] == 0
    assert result["world"]["events"] == made["events"]
    assert result["methods"]["stitchline"]["pairwise"]["f05"] >= 0.93
    assert result["methods"]["stitchline"]["users_sharing_a_person"] == 0
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "identity-f05.svg",
        "identity-strata.svg",
    }


def test_the_usual_methods_can_be_judged_alone_and_written_into_a_page(tmp_path: Path) -> None:
    write(tmp_path / "world", [Told(1, "P", identifiers={"user": "A"}), Told(1, "P", 1)])
    page = tmp_path / "page.md"
    page.write_text("<!-- figures: world -->\n<!-- end -->\n")
    asked = ["evaluate", "--truth", str(tmp_path / "world"), "--baselines", "--report", str(page)]
    result = CliRunner().invoke(cli, asked)
    assert result.exit_code == 0, result.output
    assert "last login wins" in result.output
    assert "3 people, seed 1: 2 events" in page.read_text()


def test_a_folder_that_is_no_world_and_a_folder_that_is_not_empty_are_refused(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("")
    evaluated = CliRunner().invoke(cli, ["evaluate", "--truth", str(tmp_path), "--baselines"])
    assert (evaluated.exit_code, "holds no simulation" in evaluated.output) == (1, True)
    simulated = CliRunner().invoke(cli, ["simulate", "--people", "1", "--out", str(tmp_path)])
    assert (simulated.exit_code, "is not empty" in simulated.output) == (1, True)


def test_events_that_are_not_there_end_with_an_error_that_says_what_to_do(tmp_path: Path, dsn: str) -> None:
    world = tmp_path / "world"
    write(world, [Told(1, "P")])
    stitchline("migrate", "--clickhouse", dsn)
    command = [
        sys.executable,
        "-m",
        "stitchline_collector",
        "evaluate",
        "--truth",
        str(world),
        "--clickhouse",
        dsn,
    ]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "1 of 1 events are not there: import all files" in ended.stderr
