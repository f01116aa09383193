"""More than the collector can take: refused early, heavy senders first, and what was accepted is kept."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.receive.pressure import Pressure
from stitchline_collector.receive.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processes import CollectorProcess


class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def is_taken(pressure: Pressure, source: str) -> bool:
    try:
        pressure.check(source)
    except Refusal:
        return False
    return True


def test_a_late_loop_refuses_heavy_senders_first_then_everybody_and_its_next_round_nobody() -> None:
    clock = Clock()
    pressure = Pressure(2.0, clock)
    pressure.tick()
    pressure.spend("shop", 900)
    pressure.spend("bank", 100)
    taken = []
    for clock.now in (0.9, 1.2, 2.2):
        taken.append((is_taken(pressure, "shop"), is_taken(pressure, "bank"), is_taken(pressure, "new")))
    pressure.tick()
    taken.append((is_taken(pressure, "shop"), is_taken(pressure, "bank"), is_taken(pressure, "new")))
    assert taken == [(True, True, True), (False, True, True), (False, False, False), (True, True, True)]


def test_what_a_source_sent_is_forgotten_after_two_periods() -> None:
    clock = Clock()
    pressure = Pressure(2.0, clock)
    pressure.tick()
    pressure.spend("shop", 900)
    pressure.spend("bank", 1)
    for clock.now in (1.0, 2.0):
        pressure.tick()
    clock.now = 3.2
    assert is_taken(pressure, "shop")


def test_one_alone_is_not_greedy() -> None:
    clock = Clock()
    pressure = Pressure(2.0, clock)
    pressure.tick()
    pressure.spend("shop", 900)
    clock.now = 1.5
    assert is_taken(pressure, "shop")


@pytest.mark.parametrize("pressure", [Pressure(), Pressure(0.0)])
def test_without_a_limit_nothing_is_refused(pressure: Pressure) -> None:
    pressure.tick()
    assert is_taken(pressure, "shop")


def test_a_flood_is_answered_partly_with_503_and_all_that_was_accepted_arrives_once(
    collector: Callable[..., CollectorProcess],
) -> None:
    process = collector(env={"STITCHLINE_MAX_WAIT_S": "0.001"})
    event = {"type": "track", "name": "flood", "device": {"id": "d"}, "properties": {"text": "x" * 50}}
    body = json.dumps({"events": [event] * 400}).encode()

    def send(_number: int) -> tuple[int, str]:
        status, headers, _ = process.request("POST", "/v1/events", body, timeout_s=120)
        return status, headers.get("Retry-After", "")

    answers: Counter[tuple[int, str]] = Counter()
    with ThreadPoolExecutor(64) as senders:
        while len(answers) < 2:
            answers.update(senders.map(send, range(64)))
    while send(0) != (200, ""):  # its sender comes again
        pass
    answers[200, ""] += 1
    assert set(answers) == {(200, ""), (503, "5")}
    process.sql_until(
        "SELECT count() FROM events WHERE name = 'flood'", [[400 * answers[200, ""]]], within_s=120
    )
    assert "more comes than can be taken" in process.log()
