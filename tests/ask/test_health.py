"""What `stitchline identity health` prints, and the views behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.cli.identity import PARTS, health
from tests.ask.test_commands import run
from tests.stitch.stories import event, load
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

AGES = ("--days", "10000")


@pytest.fixture
def town(bank: Engine) -> Engine:
    """The bank, and what deserves a look."""
    load(
        bank,
        [
            *(event(n, f"d{n}", email="shop") for n in range(12)),
            event(0, "T", user="A"),
            event(1, "T", user="B", session="s"),
            event(2, "T", session="unsigned"),
            event(3, "x", user="NULL"),
            event(4, "guest"),
        ],
    )
    stitch(bank)
    return bank


@pytest.mark.usefixtures("town")
async def test_it_tells_what_deserves_a_look(url: str) -> None:
    result = await run(health, *AGES, "--json", url=url)
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told.keys() == PARTS.keys()
    assert told["largest_persons"][0]["person"] == "user:42"
    assert int(told["largest_persons"][0]["identifiers"]) == 4
    assert {(one["device"], one["because"]) for one in told["shared_devices"]} == {
        ("device:T", "users"),
        ("device:atm-17", "type"),
    }
    assert [(one["identifier"], one["because"], int(one["neighbours"])) for one in told["hubs"]] == [
        ("email:shop", "neighbours", 12)
    ]
    assert {one["rule"] for one in told["quarantine"]} == {"hub", "shared_device"}
    assert {
        (one["namespace"], one["value"], one["because"], int(one["events"])) for one in told["refused_values"]
    } == {
        ("user", "null", "names nobody", 1),
        ("device", "guest", "names nobody", 1),
    }
    assert {one["found_by"] for one in told["found_by"]} == {"identifier", "device", "nobody", "none"}
    assert sum(float(one["percent"]) for one in told["found_by"]) == pytest.approx(100, abs=0.2)
    assert int(told["changes"][0]["moved"]) > 0


@pytest.mark.usefixtures("town")
async def test_its_tables_fit_100_columns(url: str) -> None:
    result = await run(health, *AGES, url=url)
    assert max(map(len, result.output.splitlines())) <= 100
    for part in PARTS.values():
        assert part.title in result.output
        assert part.view in result.output


async def test_where_nothing_happened_it_says_so(url: str) -> None:
    result = await run(health, "--days", "1", url=url)
    assert result.exit_code == 0, result.output
    for name in ("hubs", "refused_values"):
        assert PARTS[name].empty in result.output


def test_the_history_of_an_identifier_can_be_read(engine: Engine) -> None:
    load(engine, [event(0, "P", user="A")])
    stitch(engine)
    load(engine, [event(1, "P", user="B")])
    stitch(engine)
    reader = engine.reader()
    assert reader.query(
        "SELECT change, person, previous_person FROM identity_history WHERE identifier = 'device:P' ORDER BY known_from"
    ) == [("joined", "user:A", "device:P"), ("nobodys", "nobody", "user:A")]
    assert reader.query(
        "SELECT sum(merged), sum(became_nobodys), sum(moved) FROM identity_changes_by_day"
    ) == [(1, 1, 2)]
    reader.close()
