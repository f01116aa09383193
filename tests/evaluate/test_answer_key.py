"""The truth, as read from its files."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from stitchline_collector.evaluate import AnswerKey, NoWorld
from stitchline_collector.evaluate.answer_key import NOT_ANYWHERE
from tests.evaluate.worlds import Told, event_id, write


def test_each_event_is_found_by_the_second_half_of_its_id(tmp_path: Path) -> None:
    key = write(tmp_path, [Told(5), Told(None, solvable=False), Told(7)])
    for number in range(3):
        assert key.number(uuid.UUID(event_id(number)).int & (1 << 64) - 1) == number
    assert key.number(12345) == -1
    assert list(key.people) == [5, NOT_ANYWHERE, 7]
    assert list(key.solvable) == [1, 0, 1]


def test_a_folder_without_a_simulation_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NoWorld, match="stitchline simulate"):
        AnswerKey(tmp_path)


def test_a_wrong_clock_is_set_right_by_when_the_batch_was_sent_and_came(tmp_path: Path) -> None:
    key = write(tmp_path, [Told(1, "P", 0), Told(1, "P", 61)])
    first, second = key.events()
    assert second.at_ms - first.at_ms == 61 * 60_000


def test_an_event_without_truth_is_told_and_not_guessed(tmp_path: Path) -> None:
    write(tmp_path / "whole", [Told(1), Told(2)])
    write(tmp_path / "part", [Told(1)])
    (tmp_path / "part" / "events-00000.jsonl.zst").write_bytes(
        (tmp_path / "whole" / "events-00000.jsonl.zst").read_bytes()
    )
    with pytest.raises(NoWorld, match="the truth misses"):
        list(AnswerKey(tmp_path / "part").events())
