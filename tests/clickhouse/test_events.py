"""What `events_raw` and `events` promise: one row per event, the first arrival, whatever the clocks say."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.clickhouse.lines import event, insert, line

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine, Session


def _events(session: Session, columns: str = "seq") -> list[tuple[Any, ...]]:
    return list(session.query(f"SELECT {columns} FROM events ORDER BY seq, received_at"))


def test_a_retry_with_other_times_is_one_event_and_the_first_arrival_wins(engine: Engine) -> None:
    session = engine.session()
    arrivals = [
        event(1, received_at=f"2026-11-22T10:00:0{second}.000Z", sent_at=f"2026-11-22T09:59:5{second}.000Z",
              occurred_at=f"2026-11-22T09:00:0{second}.000Z", stage=f"arrival {second}")
        for second in range(1, 6)
    ]  # fmt: skip
    random.Random(7).shuffle(arrivals)
    session.command("SYSTEM STOP MERGES events_raw")  # all five are to be there while the view is asked
    for arrival in arrivals:
        insert(session, line(arrival))

    assert session.query("SELECT count() FROM events_raw") == [(5,)]
    assert _events(session, "stage") == [("arrival 1",)]
    session.command("SYSTEM START MERGES events_raw")
    session.command("OPTIMIZE TABLE events_raw FINAL")
    assert session.query("SELECT stage FROM events_raw") == [("arrival 1",)]


def test_the_first_arrival_wins_by_a_millisecond_also_within_one_segment(engine: Engine) -> None:
    session = engine.session()
    later, first = (event(1, received_at=f"2026-11-22T10:00:00.{ms}Z", stage=ms) for ms in ("124", "123"))
    insert(session, line(first), line(later))
    insert(session, line(later))

    assert _events(session, "stage") == [("123",)]


def test_an_arrival_before_its_own_device_time_is_still_an_arrival(engine: Engine) -> None:
    session = engine.session()
    for received, stage in (("2026-11-22T10:00:05Z", "later"), ("2026-11-22T10:00:01Z", "first")):
        insert(session, line(event(1, device_time="2037-01-01T00:00:00Z", received_at=received, stage=stage)))

    assert _events(session, "stage") == [("first",)]


def test_two_devices_that_made_one_id_are_two_events(engine: Engine) -> None:
    session = engine.session()
    insert(session, line(event(1)), line(event(1, device={"id": "phone-2"})))

    assert session.query("SELECT count() FROM events") == [(2,)]


def test_a_segment_sent_again_under_its_token_gives_its_rows_once_everywhere(engine: Engine) -> None:
    session = engine.session()
    session.command(
        "CREATE TABLE seen (event_id UUID) ENGINE = MergeTree ORDER BY event_id SETTINGS non_replicated_deduplication_window = 100"
    )
    session.command("CREATE MATERIALIZED VIEW seen_mv TO seen AS SELECT event_id FROM events_raw")
    for _ in range(3):
        insert(
            session,
            line(event(1)),
            line(event(2)),
            token="segment-1",
            deduplicate_blocks_in_dependent_materialized_views=1,
        )

    assert session.query("SELECT count() FROM events_raw") == [(2,)]
    assert session.query("SELECT count() FROM seen") == [(2,)]


def test_the_token_decides_and_not_the_bytes(engine: Engine) -> None:
    session = engine.session()
    session.command("SYSTEM STOP MERGES events_raw")
    insert(session, line(event(1)), token="a")
    insert(session, line(event(2)), token="a")
    insert(session, line(event(1)), token="b")

    assert session.query("SELECT groupArray(seq) FROM events_raw") == [([1, 1],)]


@pytest.mark.parametrize(
    "device_time",
    [
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00.001Z",
        "2019-12-31T23:59:59.999Z",
        "2020-01-01T00:00:00Z",
        "2037-12-31T23:59:59Z",
        "2038-01-01T00:00:00Z",
        "2106-02-07T06:28:16Z",
        "9999-12-31T23:59:59.999Z",
    ],
)
def test_any_device_time_is_kept_found_and_deduplicated(engine: Engine, device_time: str) -> None:
    session = engine.session()
    for _ in range(2):
        insert(session, line(event(1, device_time=device_time)))

    found = session.query(
        "SELECT count(), any(device_time) FROM events WHERE device_time = parseDateTime64BestEffort({t:String}, 3, 'UTC')",
        {"t": device_time},
    )
    assert found[0][0] == 1
    assert found[0][1].isoformat(timespec="milliseconds").replace("+00:00", "")[:19] == device_time[:19]


def test_a_thousand_wild_clocks_in_one_segment_load_and_stay_within_bounds(engine: Engine) -> None:
    session = engine.session()
    wild = random.Random(1)
    times = [f"{wild.randrange(1, 9999):04}-{wild.randrange(1, 13):02}-15T00:00:00Z" for _ in range(900)]
    times += [f"{year}-{month:02}-01T00:00:00Z" for year in range(2020, 2038) for month in range(1, 13)]
    insert(session, *[line(event(number, device_time=time)) for number, time in enumerate(times)])

    assert session.query("SELECT count() FROM events") == [(len(times),)]
    (partitions,) = session.query(
        "SELECT uniqExact(partition) FROM system.parts WHERE database = currentDatabase() AND table = 'events_raw' AND active"
    )[0]
    assert partitions == 18 * 12 + 2


@pytest.mark.parametrize(
    ("identifiers", "decides"),
    [
        ({}, None),
        ({"anonymous": "a", "device": "d"}, None),
        ({"user": "", "email": ""}, None),
        ({"anonymous": "a", "user": "42", "email": "e", "phone": "p", "card": "c"}, ("user", "42")),
        ({"phone": "p", "email": "e", "card": "c"}, ("email", "e")),
        ({"phone": "p", "card": "c"}, ("phone", "p")),
        ({"loyalty": "l", "card": "c", "anonymous": "a"}, ("card", "c")),
        ({"loyalty": "l", "card": ""}, ("loyalty", "l")),
        ({"user": "", "phone": "p"}, ("phone", "p")),
    ],
)
def test_the_deciding_identifier_becomes_the_person_node(
    engine: Engine, identifiers: dict[str, str], decides: tuple[str, str] | None
) -> None:
    session = engine.session()
    insert(session, line(event(1, identifiers=identifiers)))
    expected = 0
    if decides:
        ((expected,),) = session.query(
            "SELECT sipHash64({n:String}, '\\0', {v:String})", {"n": decides[0], "v": decides[1]}
        )

    assert session.query("SELECT person_node FROM events") == [(expected,)]


def test_the_device_becomes_the_device_node_and_no_device_is_zero(engine: Engine) -> None:
    session = engine.session()
    insert(session, line(event(1)), line(event(2, device={})))

    assert _events(session, "device_node = sipHash64('device', '\\0', 'phone-1')") == [(1,), (0,)]
    assert _events(session, "device_node")[1] == (0,)


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("device_node = 7", "by_device_node"),
        ("person_node IN (7, 8)", "by_person_node"),
        ("device_node = 7 OR person_node = 8", "by_person_node"),
        ("occurred_at >= '2026-11-22 00:00:00'", "by_occurred_at"),
        ("received_at > now() - INTERVAL 5 MINUTE", "by_received_at"),
        ("device_time >= '2026-11-01' AND device_time < '2026-11-03'", "PrimaryKey"),
        ("device_time >= '2026-11-01' AND device_time < '2026-11-03'", "Min-Max"),
    ],
)
def test_a_filter_on_the_view_reaches_the_indexes_of_the_table(
    engine: Engine, condition: str, index: str
) -> None:
    session = engine.session()
    for day in range(1, 29, 4):  # several parts, so that there is something to skip
        insert(
            session,
            line(
                event(
                    day, device_time=f"2026-10-{day:02}T00:00:00Z", occurred_at=f"2026-10-{day:02}T00:00:00Z"
                )
            ),
        )
    plan = "\n".join(
        row[0] for row in session.query(f"EXPLAIN indexes = 1 SELECT name FROM events WHERE {condition}")
    )

    assert index in plan, plan


def test_the_view_does_not_merge_across_partitions(engine: Engine) -> None:
    session = engine.session()
    assert "do_not_merge_across_partitions_select_final = 1" in session.command("SHOW CREATE TABLE events")


def test_a_failure_is_listed_once_and_marked_when_it_was_replayed(engine: Engine) -> None:
    session = engine.session()
    columns = "failure_id received_at source kind event_id reason path raw".split()
    row = b'["01a03111-db36-749f-b4a2-966b66038814","2026-11-22T10:00:00Z","shop","batch","","too deep","$.x","{}"]\n'
    session.insert_body(
        "failed_events_raw",
        columns,
        row,
        "JSONCompactEachRow",
        settings={"date_time_input_format": "best_effort"},
    )
    assert session.query("SELECT count(), countIf(replayed_at IS NULL) FROM failed_events") == [(1, 1)]

    session.command(
        "INSERT INTO failed_events_raw (* EXCEPT replayed_at, replayed_at) "
        "SELECT * EXCEPT replayed_at, now64(3) FROM failed_events"
    )
    assert session.query("SELECT count(), countIf(replayed_at IS NULL) FROM failed_events") == [(1, 0)]
