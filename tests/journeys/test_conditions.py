"""The language of milestones' conditions: what each means to ClickHouse, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stitchline_collector.journeys.conditions import FIELDS, ConditionError, compiled
from tests.stitch.stories import event, load

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

# About one event: channel web, no device type, properties {"total": 120, "text": "7", "nested": {"odd name": 1, "yes": true}, "quote": "it's"}
TRUE = [
    "channel = 'web'",
    'channel = "web"',
    "channel != 'app'",
    "CHANNEL = 'web'".lower(),
    "not channel = 'app'",
    "channel in ('app', 'web')",
    "channel not in ('app', 'store')",
    "channel contains 'e'",
    "channel exists",
    "not device.type exists",
    "properties.total >= 120",
    "properties.total = 120.0",
    "properties.total in (1, 120)",
    "properties.text = 7",
    "properties.text = '7'",
    "properties.nested.yes = true",
    "properties.nested exists or properties.nested.yes exists",
    r"properties.quote = 'it\'s'",
    'properties.quote = "it\'s"',
    "properties.missing != 5",
    "properties.missing != 'x'",
    "properties.total > 100 and (channel = 'app' or channel = 'web')",
    "channel = 'app' and channel = 'app' or channel = 'web'",
    "properties.negative < -1",
]
FALSE = [
    "channel = 'Web'",
    "channel = 'app'",
    "properties.missing exists",
    "properties.missing = 5",
    "properties.missing < 5",
    "properties.total < 120",
    "properties.quote > 5",
    "not (channel = 'web' or channel = 'app')",
    "channel = 'web' and (channel = 'app' or channel = 'store')",
    "channel contains 'w%b'",
]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("", "character 1.*the end.*a column"),
        ("password = 'x'", "character 1.*`password`.*one of.*properties.NAME"),
        ("channel == 'x'", r"character 10.*`=`.*a 'text'"),
        ("channel = web", "character 11.*`web`"),
        ("channel = 'x", "character 11.*not understood"),
        ("channel = 'x'; DROP TABLE events", "character 14.*`;`.*not understood"),
        ("channel = 'x' UNION", "character 15.*`UNION`"),
        ("properties.a`b = 1", "character 13.*not understood"),
        ("properties.a = 1e5", "not understood|expected"),
        ("(channel = 'x'", r"the end.*`\)`"),
        ("channel not = 'x'", "`in`"),
        ("channel in 'x'", r"`\(`"),
        ("file('/etc/passwd') exists", "`file`"),
        ("not " * 60 + "channel exists", "fewer brackets"),
    ],
)
def test_what_is_no_condition_is_refused_and_told_where(condition: str, told: str) -> None:
    with pytest.raises(ConditionError, match=told):
        compiled(condition)


def test_every_field_and_every_condition_means_what_it_says(engine: Engine) -> None:
    happened = event(0, channel="web")
    happened["properties"] = {
        "total": 120, "text": "7", "negative": -2, "nested": {"yes": True}, "quote": "it's",
    }  # fmt: skip
    load(engine, [happened])
    asked = [*TRUE, *FALSE, *(f"{field} = 'no such value'" for field in sorted(FIELDS))]
    session = engine.session()
    row = session.query(
        f"SELECT {', '.join(f'{compiled(one)} AS c{at}' for at, one in enumerate(asked))} FROM events_raw"
    )[0]
    session.close()
    answered = {condition: bool(value) for condition, value in zip(asked, row, strict=True)}
    assert answered == {condition: condition in TRUE for condition in asked}
