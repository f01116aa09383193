"""What is wrong with the data that arrived, against plain loops over events and rejections."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from backports import zstd
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stitchline_collector.ask.views import asked
from stitchline_collector.rows import FAILED_COLUMNS
from tests.clickhouse.lines import event
from tests.stitch.stories import load
from tests.views.towns import quantile

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

EXAMPLES = settings(
    max_examples=12,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FIRST = dt.datetime(2022, 1, 3, tzinfo=dt.UTC)
HOURS = itertools.count()
LATE_S, CLOCK_OFF_MS = 60, 500
SENDERS = st.tuples(
    st.sampled_from(["web", "app"]),
    st.sampled_from(["", "stitchline-js"]),
    st.sampled_from(["", "1.0", "1.1"]),
)
ARRIVED = st.lists(
    st.fixed_dictionaries(
        {
            "sender": SENDERS,
            "device": st.sampled_from(["", "a", "b"]),
            "who": st.booleans(),
            "happened_s": st.sampled_from([-3600, -61, -60, -1, 0, 5]),
            "device_s": st.integers(0, 2),
            "seq": st.integers(0, 6),
            "name": st.sampled_from("AB"),
            "channel": st.sampled_from(["", "web"]),
            "stage": st.sampled_from(["", "purchase", "loyalty"]),
            "offset_ms": st.sampled_from([0, 500, 501, -500, -700]),
        }
    ),
    max_size=60,
)
REJECTED = st.lists(st.tuples(SENDERS, st.booleans()), max_size=10)


def expected(
    arrived: list[dict[str, Any]], rejected: list[tuple[tuple[str, ...], bool]]
) -> list[tuple[Any, ...]]:
    by_sender: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for one in arrived:
        by_sender[one["sender"]].append(one)
    refused = [sender for sender, replayed in rejected if not replayed]
    rows = []
    for sender in sorted(by_sender.keys() | set(refused)):
        events = by_sender[sender]
        late = [-one["happened_s"] for one in events]
        missing = doubled = 0
        for device in ("a", "b"):
            its = [one for one in events if one["device"] == device]
            numbers = {one["seq"] for one in its} - {0}
            missing += max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0
            doubled += len(its) - len({(one["name"], one["device_s"]) for one in its})
        rows.append(
            (
                *sender,
                len(events),
                sum(after > LATE_S for after in late),
                quantile(late, 0.5) if late else 0,
                quantile(late, 0.99) if late else 0,
                sum(abs(one["offset_ms"]) > CLOCK_OFF_MS for one in events),
                sum(one["seq"] == 0 for one in events),
                missing,
                doubled,
                sum(not one["device"] and not one["who"] for one in events),
                sum(not one["channel"] for one in events),
                sum(not one["stage"] for one in events),
                sum(one["stage"] == "loyalty" for one in events),
                refused.count(sender),
            )
        )
    return rows


@EXAMPLES
@given(arrived=ARRIVED, rejected=REJECTED)
def test_it_counts_what_loops_over_the_events_count(
    engine: Engine, arrived: list[dict[str, Any]], rejected: list[tuple[tuple[str, ...], bool]]
) -> None:
    hour = next(HOURS)
    start = FIRST + dt.timedelta(hours=hour)
    if arrived:
        load(engine, [_row(one, place, hour, start) for place, one in enumerate(arrived)])
    if rejected:
        _fail(engine, rejected, start)
    given = {
        "late_s": LATE_S,
        "clock_off_ms": CLOCK_OFF_MS,
        "since": start,
        "until": start + dt.timedelta(hours=1),
    }
    reader = engine.reader()
    rows = list(reader.query(*asked("data_quality", {name: str(value) for name, value in given.items()})))
    reader.close()
    assert rows == expected(arrived, rejected)


def _row(one: dict[str, Any], place: int, hour: int, start: dt.datetime) -> dict[str, Any]:
    source, sdk, version = one["sender"]
    received_at = start + dt.timedelta(minutes=1)
    return event(
        (hour << 32) + place + 1,
        name=one["name"],
        occurred_at=received_at + dt.timedelta(seconds=one["happened_s"]),
        device_time=start + dt.timedelta(seconds=one["device_s"]),
        seq=one["seq"],
        identifiers={"user": "1"} if one["who"] else {},
        channel=one["channel"],
        stage=one["stage"],
        device={"id": one["device"] and f"{hour}-{one['device']}"},
        sent_at=received_at,
        received_at=received_at,
        source=source,
        sdk={"name": sdk, "version": version},
        clock={"offset_ms": one["offset_ms"]},
    )


def _fail(engine: Engine, rejected: list[tuple[tuple[str, ...], bool]], start: dt.datetime) -> None:
    rows = []
    for (source, sdk, version), replayed in rejected:
        raw = json.dumps({"sdk": {"name": sdk, "version": version}, "events": [{}]})
        at = start.isoformat()
        rows.append([str(uuid.uuid4()), at, source, "batch", "", "bad", "$", raw, at if replayed else None])
    session = engine.session()
    session.insert_body(
        "failed_events_raw",
        [*FAILED_COLUMNS, "replayed_at"],
        zstd.compress(msgspec.json.Encoder().encode_lines(rows)),
        "JSONCompactEachRow",
        "zstd",
        {"date_time_input_format": "best_effort", "insert_deduplication_token": uuid.uuid4().hex},
    )
    session.close()
