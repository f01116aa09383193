"""What a segment's file may say, and how it is told what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stitchline_collector.segments import Segment, SegmentError, read, segments_in
from stitchline_collector.segments.definition import Between, Deed

EXAMPLES = Path(__file__).parents[2] / "examples" / "segments"
LAPSED = """about = "Used to buy"
stage = ["purchase", "retention"]
devices = {at_least = 2}

[[did]]
event = "order_completed"
when = "properties.total >= 100"
at_least = 2

[[did_not]]
event = "order_completed"
within = "7 days"
"""


def test_a_segment_is_read_with_all_it_may_say() -> None:
    assert read("lapsed", LAPSED) == Segment(
        "lapsed",
        "Used to buy",
        "marketing",
        ("purchase", "retention"),
        Between(2),
        Between(),
        (Deed("order_completed", "properties.total >= 100", 0, 2),),
        (Deed("order_completed", "", 7 * 86400),),
        text=LAPSED,
    )


def test_the_examples_are_segments_and_named_as_their_files() -> None:
    assert list(segments_in(str(EXAMPLES))) == ["branch_after_web", "hesitating", "lapsed_buyers"]


@pytest.mark.parametrize(
    ("changed", "into", "line", "told"),
    [
        ('about = "Used to buy"', 'about = "Used', 1, "not TOML"),
        ('about = "Used to buy"', "about = 3", 1, "is a text"),
        ('about = "Used to buy"', 'consent = ""', 1, "the purpose"),
        ('about = "Used to buy"', 'colour = "red"', 1, "'colour' is unknown"),
        (
            'about = "Used to buy"',
            'sql = "SELECT 1 AS person_id"',
            1,
            "leave out devices, did, did_not, stage",
        ),
        ('stage = ["purchase", "retention"]', "stage = []", 2, "at least one stage"),
        ('stage = ["purchase", "retention"]', "stage = [1]", 2, "a stage, or a list"),
        ("devices = {at_least = 2}", "devices = 2", 3, "devices.at_least = 2"),
        ("devices = {at_least = 2}", "devices.at_least = 2.5", 3, "devices.at_least = 2"),
        ("devices = {at_least = 2}", "devices = {at_least = 2, at_most = 1}", 3, "less than"),
        ('event = "order_completed"\nwhen = "properties.total >= 100"\n', "", 5, "an event, a condition"),
        (">= 100", "=> 100", 7, "when: character 19"),
        ("at_least = 2\n\n[[did_not]]", "at_least = 0\n\n[[did_not]]", 8, "a number from 1"),
        ('within = "7 days"', 'within = "7 moons"', 12, "`7 days`"),
        ('within = "7 days"', "at_least = 2", 12, "[[did_not]] takes event, when, within"),
    ],
)
def test_an_error_names_the_line(changed: str, into: str, line: int, told: str) -> None:
    assert LAPSED.count(changed) == 1
    with pytest.raises(SegmentError, match=f"^line {line}: .*{re.escape(told)}"):
        read("lapsed", LAPSED.replace(changed, into))


def test_a_segment_without_any_condition_is_refused() -> None:
    with pytest.raises(SegmentError, match=r"^line 1: a segment has a condition"):
        read("everybody", 'about = "All"')


def test_an_error_in_a_folder_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "lapsed.toml").write_text(LAPSED.replace('"7 days"', '"soon"'))
    with pytest.raises(SegmentError, match=r"lapsed\.toml: line 12: within"):
        segments_in(str(tmp_path))
    with pytest.raises(SegmentError, match="is no folder"):
        segments_in(str(tmp_path / "nowhere"))
