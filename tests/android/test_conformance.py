"""The Android client against the conformance kit, and against scenes of a phone's life that the kit does not play."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stitchline_collector.conformance import SCENARIOS, ProcessDriver, ScenarioResult, play
from stitchline_collector.conformance.checks import RULES
from stitchline_collector.conformance.recorder import accept, reset
from stitchline_collector.conformance.scenarios import Scenario
from stitchline_collector.conformance.stage import Stage


def _played(classes: Path, *scenarios: Scenario) -> dict[str, ScenarioResult]:
    """Play scenarios, some at a time: they mostly wait."""

    async def all_of_them() -> dict[str, ScenarioResult]:
        turn = asyncio.Semaphore(3)

        async def one(scenario: Scenario) -> ScenarioResult:
            async with turn:
                driver = ProcessDriver(f"java -cp {classes} stitchline.Driver")
                return (await play(driver, [scenario], patience_s=30.0)).scenarios[0]

        results = await asyncio.gather(*(one(scenario) for scenario in scenarios))
        return {result.name: result for result in results}

    return asyncio.run(all_of_them())


@pytest.fixture(scope="module")
def kit(classes: Path) -> dict[str, ScenarioResult]:
    """What came of each of the kit's scenarios."""
    return _played(classes, *SCENARIOS.values())


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_android_client_conforms(name: str, kit: dict[str, ScenarioResult]) -> None:
    result = kit[name]
    assert {check: found for check, found in result.findings.items() if found} == {}
    assert result.skipped == ""
    assert set(result.findings) == {*RULES, *SCENARIOS[name].checks}


def _named(stage: Stage, name: str) -> dict[str, Any]:
    return next(event for event in stage.room.stored if event.get("name") == name)


def _found(classes: Path, checks: str, scene: Callable[[Stage], Awaitable[None]]) -> dict[str, list[str]]:
    """Play one scene of our own; what it found, without what holds."""
    scenario = Scenario("scene", "", frozenset({"disk"}), tuple(checks.split()), scene)
    result = _played(classes, scenario)["scene"]
    assert set(checks.split()) <= set(result.findings)
    return {check: found for check, found in result.findings.items() if found}


def test_person_session_and_counter_go_on_over_an_orderly_restart(classes: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.init(storage="disk")
        await stage.do("identify", user="42")
        await stage.do("consent", purposes={"analytics": True})
        await stage.track("before")
        await stage.do("close", timeout_s=10)
        await stage.init(storage="disk")
        await stage.track("after")
        if not await stage.arrives("before", "after"):
            return
        before, after = _named(stage, "before"), _named(stage, "after")
        for field, check in (("identifiers", "remembers"), ("session_id", "session"), ("consent", "consent")):
            stage.check(
                check, before[field] == after.get(field), f"{field}: {before[field]}, {after.get(field)}"
            )
        stage.check("seq_order", after["seq"] == before["seq"] + 1, f"{before['seq']}, then {after['seq']}")

    assert _found(classes, "remembers session consent seq_order", scene) == {}


def test_a_logout_holds_after_a_kill(classes: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.init(storage="disk")
        await stage.do("identify", user="42")
        await stage.do("logout")
        await stage.flush()
        await stage.do("kill")
        await stage.init(storage="disk")
        await stage.track("after")
        if await stage.arrives("after"):
            who = _named(stage, "after").get("identifiers")
            stage.check("forgets", who is None, f"after the restart it was {who}")

    assert _found(classes, "forgets", scene) == {}


def test_a_kiosk_that_starts_again_knows_nobody(classes: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.init(storage="disk", device="kiosk")
        await stage.do("identify", user="42")
        await stage.do("close", timeout_s=10)
        await stage.init(storage="disk", device="kiosk")
        await stage.track("after")
        if await stage.arrives("after"):
            who = _named(stage, "after").get("identifiers")
            stage.check("kiosk", who is None, f"after the restart it was {who}")

    assert _found(classes, "kiosk", scene) == {}


def test_a_kill_within_a_burst_gives_no_number_twice(classes: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.room.usual = reset
        await stage.init(storage="disk")
        await stage.do("burst", name="a", count=1500)
        await stage.until(lambda: bool(stage.room.seen))
        await stage.do("burst", name="b", count=1500)
        await stage.do("kill")
        stage.room.usual = accept
        await stage.init(storage="disk")
        await stage.do("burst", name="c", count=1500)
        await stage.flush()
        await stage.arrives("a-0", "c-0", "c-1499", check="survives_kill")
        numbers = [event["seq"] for event in stage.room.stored]
        stage.check("seq", len(set(numbers)) == len(numbers), "a number was given twice")

    assert _found(classes, "survives_kill seq", scene) == {}


def test_a_connection_that_breaks_is_not_tried_again_behind_the_clients_back(classes: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.init(storage="disk", backoff_s=5.0, max_backoff_s=5.0)
        await stage.track("one")
        await stage.arrives("one")  # the connection is kept
        stage.room.usual = reset
        await stage.track("two")
        await stage.until(lambda: bool(stage.room.requests_with("two")))
        await stage.quiet()
        stage.room.usual = accept
        await stage.flush()
        await stage.arrives("two")
        sent = [one.batch["sent_at"] for one in stage.room.requests_with("two")]
        stage.check("sent_at", len(set(sent)) == len(sent), f"the attempts left at {sent}")

    assert _found(classes, "delivered", scene) == {}


def test_a_scope_speaks_for_another_person_on_another_device_without_its_counter(classes: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.init(storage="disk")
        await stage.do("identify", user="42")
        await stage.do("scope", name="theirs", device_id="till-7", identifiers={"user": "43"})
        await stage.track("own")
        if await stage.arrives("theirs", "own"):
            theirs, own = _named(stage, "theirs"), _named(stage, "own")
            stage.check("remembers", own["identifiers"] == {"user": "42"}, f"own: {own}")
            stage.check("remembers", theirs["identifiers"] == {"user": "43"}, f"theirs: {theirs}")
            stage.check(
                "remembers", theirs["device"] == {"id": "till-7"} and "seq" not in theirs, f"{theirs}"
            )
            stage.check("seq_order", own["seq"] == 2, f"own: {own}")

    found = _found(classes, "remembers seq_order", scene)
    assert found == {"device_id": ["one device had 2 ids"]}  # two devices they are


def test_a_reset_makes_another_device_and_sends_nothing_of_the_last_one(classes: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.init(storage="disk")
        await stage.do("identify", user="42")
        await stage.track("before")
        await stage.flush()
        stage.room.usual = reset
        await stage.track("unsent")
        await stage.until(lambda: bool(stage.room.requests_with("unsent")))
        await stage.do("reset")
        stage.room.usual = accept
        await stage.init(storage="disk")
        await stage.track("after")
        if await stage.arrives("before", "after"):
            after = _named(stage, "after")
            stage.check("forgets", after["seq"] == 1 and "identifiers" not in after, f"after it came {after}")
            stage.check("forgets", "unsent" not in stage.room.names, "what was forgotten was sent")

    assert _found(classes, "forgets", scene) == {"device_id": ["one device had 2 ids"]}


def test_a_torn_record_is_counted_and_what_stands_before_it_arrives(classes: Path, tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.room.usual = reset
        await _init_in(stage, tmp_path)
        await stage.track("whole")
        await stage.until(lambda: bool(stage.room.requests_with("whole")))
        await stage.do("kill")
        (batch,) = (tmp_path / "queue-0").glob("*.batch")
        batch.write_bytes(batch.read_bytes() + b"\0\0\1\0 half a record")
        stage.room.usual = accept
        await _init_in(stage, tmp_path)
        await stage.arrives("whole", check="survives_kill")
        await stage.until(lambda: bool(stage.room.losses))
        stage.check("reported", stage.room.losses == {"offline_corrupt": 1}, f"{stage.room.losses}")

    assert _found(classes, "survives_kill reported", scene) == {}


def test_nobody_else_can_read_the_folder(classes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"

    async def scene(stage: Stage) -> None:
        await _init_in(stage, folder)
        await stage.track("one")
        await stage.arrives("one")

    assert _found(classes, "delivered", scene) == {}
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "queue-0").stat().st_mode & 0o077 == 0


async def _init_in(stage: Stage, folder: Path) -> None:
    """Make an instance whose folder the test knows."""
    endpoint = stage._endpoint
    await stage.do(
        "init",
        endpoint=endpoint,
        write_key="conformance",
        state=str(folder),
        storage="disk",
        device={"type": "phone"},
        channel="app",
        settings={"flush_interval_s": 0.05, "timeout_s": 2.0, "backoff_s": 0.1, "max_backoff_s": 0.4},
    )
