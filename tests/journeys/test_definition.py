"""What a journey.toml may say, and how it is told what is wrong."""

from __future__ import annotations

import re

import pytest

from stitchline_collector.journeys import Journey, JourneyError, journey_text, read
from stitchline_collector.journeys.definition import STAGES, Milestone

SHOP = """stages = ["look", "buy"]

[[milestones]]
name = "first_view"
stage = "look"
event = "product_viewed"

[[milestones]]
name = "big_order"
stage = "buy"
event = "order_completed"
when = "properties.total >= 100"
within = "2 weeks"
"""


def test_an_empty_file_has_the_usual_stages() -> None:
    assert read("") == Journey(STAGES, ())


def test_milestones_are_read_in_order() -> None:
    journey = read(SHOP)
    assert journey.stages == ("look", "buy")
    assert journey.milestones == (
        Milestone("first_view", "look", "product_viewed", "", 0),
        Milestone("big_order", "buy", "order_completed", "properties.total >= 100", 14 * 86400),
    )


@pytest.mark.parametrize(
    ("changed", "into", "line", "told"),
    [
        ('stages = ["look", "buy"]', 'stages = "look', 1, "not TOML"),
        ('stages = ["look", "buy"]', 'stages = ["look", "look", "buy"]', 1, "twice"),
        ('stages = ["look", "buy"]', 'stages = ["look", "b uy"]', 1, "a list of names"),
        ('stages = ["look", "buy"]', 'steps = ["look", "buy"]', 1, "'steps' is unknown"),
        ('"big_order"', '"first_view"', 9, "above already"),
        ('"big_order"', '"big order"', 9, "name: of letters"),
        ('name = "big_order"\n', "", 8, "name: of letters"),
        ('stage = "buy"', 'stage = "pay"', 10, "one of look, buy, not 'pay'"),
        ('event = "product_viewed"', "", 3, "an event, a condition"),
        ('event = "product_viewed"', "event = 3", 6, "is a text"),
        ('event = "product_viewed"', 'evnt = "product_viewed"', 6, "evnt: a milestone takes"),
        (">= 100", "=> 100", 12, "when: character 19"),
        ('"2 weeks"', '"2 moons"', 13, "`3 days`"),
        ('event = "product_viewed"', 'event = "product_viewed"\nwithin = "1 day"', 7, "there is none"),
    ],
)
def test_an_error_names_the_line(changed: str, into: str, line: int, told: str) -> None:
    assert SHOP.count(changed) == 1
    with pytest.raises(JourneyError, match=f"^line {line}: .*{re.escape(told)}"):
        read(SHOP.replace(changed, into))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(JourneyError, match=r"nowhere\.toml: cannot be read"):
        journey_text("nowhere.toml")
