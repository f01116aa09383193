"""`why` and `journey --as-of`, over real HTTP; each command's help."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from stitchline_collector.cli import cli
from stitchline_collector.cli.journey import journey
from stitchline_collector.cli.why import why
from tests.ask.test_commands import run
from tests.stitch.stories import event, load
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


async def test_why_prints_each_step_and_how_to_part_them(url: str) -> None:
    result = await run(why, "device:app-1", "email:ada@example.com", url=url)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "device:app-1 and email:ada@example.com are one person"
    assert [line.strip() for line in lines if line.startswith("  ") and "│" not in line] == [
        "device:app-1",
        "user:42",
        "email:ada@example.com",
    ]
    assert any("login: signed in here" in line for line in lines)
    assert "stitchline unlink device:app-1 email:ada@example.com" in " ".join(lines)
    assert max(map(len, lines)) <= 80


async def test_why_prints_what_was_refused(url: str) -> None:
    result = await run(why, "user:42", "user:43", url=url)
    assert result.exit_code == 0, result.output
    assert "refused (shared_device): a shared device belongs to nobody" in result.output
    assert "device:atm-17" in result.output
    assert json.loads((await run(why, "user:42", "user:43", "--json", url=url)).output)["one_person"] is False


async def test_why_of_what_nobody_was_seen_with_is_an_error(url: str) -> None:
    result = await run(why, "user:42", "user:nobody", url=url)
    assert result.exit_code == 1
    assert "nobody was seen with user:nobody" in result.output


async def test_a_shared_device_has_no_journey_and_the_error_names_people(url: str) -> None:
    result = await run(journey, "device:atm-17", url=url)
    assert result.exit_code == 1
    assert "device:atm-17 is a shared device: it belongs to nobody" in result.output
    assert "user:43, user:42" in result.output


async def test_journey_of_a_past_moment_and_what_changed_since(bank: Engine, url: str) -> None:
    before = now()
    late = [event(1, "lonely", user="42"), event(2, "lonely", name="opened_again")]
    load(bank, [one | {"received_at": dt.datetime(2099, 1, 1, tzinfo=dt.UTC)} for one in late])
    stitch(bank)
    then = await run(journey, "user:42", "--as-of", before, "--json", url=url)
    assert json.loads(then.output)["person"]["events"] == 6
    result = await run(journey, "user:42", "--as-of", before, "--diff", url=url)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    assert "+ 1 event is theirs now and was not then" in result.output
    assert "* 2 events arrived since then" in result.output
    assert "device:lonely" in result.output
    told = json.loads((await run(journey, "user:42", "--as-of", before, "--diff", "--json", url=url)).output)
    came = [one for one in told["changes"] if one["name"] == "opened"]
    assert [(one["change"], one["then"]["named_by"], one["now"]["named_by"]) for one in came] == [
        ("came", "device:lonely", "user:42")
    ]


async def test_nothing_changed_is_said(url: str) -> None:
    result = await run(journey, "user:42", "--as-of", now(), "--diff", url=url)
    assert "no event has changed hands" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--diff",), "--diff needs --as-of"),
        (("--as-of", "yesterday"), "is no moment"),
        (("--as-of", "2020-01-01"), "nobody had been seen with user:42 by 2020-01-01"),
    ],
)
async def test_a_wrong_moment_is_an_error_that_says_what_to_do(
    url: str, options: tuple[str, ...], said: str
) -> None:
    result = await run(journey, "user:42", *options, url=url)
    assert result.exit_code != 0
    assert said in result.output


@pytest.mark.parametrize(
    "command", ["why", "link", "unlink", "relink", "identity", "identity health", "journey"]
)
def test_each_command_shows_an_example(command: str) -> None:
    result: Any = CliRunner().invoke(cli, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
