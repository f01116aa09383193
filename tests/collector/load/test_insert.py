"""One segment, one insert: its rows are there once, and a refused row holds up nobody."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from stitchline_collector.engine import DataRejected, Engine, EngineError, EngineUnavailable, Session
from stitchline_collector.load import insert
from stitchline_collector.load.insert import insert_segment, insert_split, mark_split, restore
from stitchline_collector.rows import FailedRow, encode_lines, quote_bytes
from stitchline_collector.spool import CorruptSegment, Segment, read_lines
from stitchline_collector.spool.frames import frame
from stitchline_collector.spool.segment import CORRUPT

from .segments import POISON, damaged, line, write


@pytest.fixture
def session(engine: Engine) -> Session:
    return engine.session()


def count(session: Session, where: str = "1") -> int:
    return int(session.command(f"SELECT count() FROM {session.database}.events_raw WHERE {where}"))


def test_a_segment_of_an_older_version_is_loaded(engine: Engine, tmp_path: Path) -> None:
    before_by_server = [line().removesuffix(b", false]") + b"]" for _ in range(3)]
    session = engine.session()
    insert_segment(session, write(tmp_path / "spool", before_by_server))
    assert session.query("SELECT count(), countIf(by_server) FROM events") == [(3, 0)]


def test_a_segment_sent_three_times_is_there_once(session: Session, tmp_path: Path) -> None:
    segment = write(tmp_path / "folder", [line(seq=i) for i in range(10)])

    for _ in range(3):
        assert insert_segment(session, segment).rows == 10

    assert count(session) == 10


def test_two_segments_of_the_same_bytes_are_two(session: Session, tmp_path: Path) -> None:
    lines = [line(), line()]
    for number in (1, 2):
        insert_segment(session, write(tmp_path / "folder", lines, number))

    assert count(session) == 4


def test_events_of_many_months_sent_twice_are_there_once(session: Session, tmp_path: Path) -> None:
    lines = [
        line().replace(b"2026-11-22", b"20%02d-%02d-01" % (year, month))
        for year in (24, 25)
        for month in range(1, 13)
    ]
    segment = write(tmp_path / "folder", lines)

    for _ in range(2):
        insert_segment(session, segment)

    assert count(session) == 24


@pytest.mark.parametrize("at", [0, 7, 19])
def test_a_refused_row_keeps_the_whole_segment_out_until_it_is_split(
    session: Session, tmp_path: Path, at: int
) -> None:
    lines = [line(POISON if i == at else "{}", seq=i) for i in range(20)]
    segment = write(tmp_path / "folder", lines)

    with pytest.raises(DataRejected):
        insert_segment(session, segment)
    assert count(session) == 0

    done = insert_split(session, mark_split(segment))

    assert (done.rows, done.isolated) == (19, 1)
    assert count(session) == 19
    assert count(session, f"seq = {at}") == 0


def test_an_isolated_row_stands_whole_in_failed_events(session: Session, tmp_path: Path) -> None:
    event_id = str(uuid.uuid4())
    poison = line('{"a":1e999, "ö": "\\\\ \\""}', event_id)

    insert_split(session, mark_split(write(tmp_path / "folder", [line(), poison, line()])))

    ((kind, raw, reason, found),) = session.query(
        f"SELECT kind, raw, reason, event_id FROM {session.database}.failed_events"
    )
    assert (kind, raw, found) == ("row", poison.decode(), event_id)
    assert "Cannot parse" in reason


def test_a_segment_of_poison_alone_is_isolated_row_by_row(session: Session, tmp_path: Path) -> None:
    done = insert_split(session, mark_split(write(tmp_path / "folder", [line(POISON)] * 5)))

    assert (done.rows, done.isolated) == (0, 5)
    assert session.command(f"SELECT count() FROM {session.database}.failed_events") == 5


def test_many_refused_rows_cost_few_inserts_that_write(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = mark_split(write(tmp_path / "folder", [line(POISON if i % 3 else "{}") for i in range(60)]))
    real, wrote = insert._insert, []

    def counts(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type] # passed on as it came
        wrote.append(arguments)

    monkeypatch.setattr(insert, "_insert", counts)
    done = insert_split(session, segment)

    assert (done.rows, done.isolated, count(session)) == (20, 40, 20)
    assert session.command(f"SELECT uniqExact(raw) FROM {session.database}.failed_events") == 40
    assert len(wrote) == 2


def test_a_row_against_a_constraint_is_isolated(session: Session, tmp_path: Path) -> None:
    session.command(f"ALTER TABLE {session.database}.events_raw ADD CONSTRAINT not_three CHECK seq != 3")

    done = insert_split(session, mark_split(write(tmp_path / "folder", [line(seq=i) for i in range(8)])))

    assert (done.rows, done.isolated, count(session)) == (7, 1, 7)


def test_a_segment_of_one_poison_row_is_isolated_too(session: Session, tmp_path: Path) -> None:
    done = insert_split(session, mark_split(write(tmp_path / "folder", [line(POISON)])))

    assert (done.rows, done.isolated) == (0, 1)


@pytest.mark.parametrize("inserts", range(4))
def test_a_split_broken_off_anywhere_and_begun_again_repeats_nothing(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inserts: int
) -> None:
    lines = [line(POISON if i in (3, 11) else "{}", seq=i) for i in range(16)]
    segment = mark_split(write(tmp_path / "folder", lines))
    real, left = insert._insert, iter(range(inserts))

    def breaks(*arguments: object) -> None:
        if next(left, None) is None:
            raise EngineUnavailable("gone in the middle")
        real(*arguments)  # type: ignore[arg-type] # passed on as it came

    with monkeypatch.context() as patched:
        patched.setattr(insert, "_insert", breaks)
        with pytest.raises(EngineUnavailable):
            insert_split(session, segment)

    done = insert_split(session, segment)

    assert (done.rows, done.isolated) == (14, 2)
    assert count(session) == 14
    assert session.command(f"SELECT count() FROM {session.database}.failed_events_raw") == 2


def test_a_split_broken_off_and_gone_on_with_after_an_erasure_loses_no_row_of_others(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.command(f"ALTER TABLE {session.database}.events_raw ADD CONSTRAINT not_three CHECK seq != 3")
    segment = mark_split(write(tmp_path / "folder", [line(seq=i) for i in (0, 1, 3)]))
    real, sent = insert._insert, []

    def breaks(*arguments: object) -> None:
        sent.append(arguments[3])
        if (
            len(sent) == 4
        ):  # the whole, refused; the first row; the other two, refused; and before the first of them
            raise EngineUnavailable("gone in the middle")
        real(*arguments)  # type: ignore[arg-type] # passed on as it came

    with monkeypatch.context() as patched:
        patched.setattr(insert, "_insert", breaks)
        with pytest.raises(EngineUnavailable):
            insert_split(session, segment)
    assert session.query("SELECT seq FROM events_raw") == [(0,)]
    session.command("ALTER TABLE events_raw DELETE WHERE seq = 0", settings={"mutations_sync": 2})

    done = insert_split(session, segment, lambda lines: lines[1:])

    assert (done.rows, done.isolated, done.erased) == (1, 1, 1)
    assert session.query("SELECT seq FROM events_raw") == [(1,)]
    assert count_failed(session) == 1


def count_failed(session: Session) -> int:
    return int(session.command(f"SELECT count() FROM {session.database}.failed_events"))


def test_a_split_segment_says_so_in_its_name_and_keeps_its_token(tmp_path: Path) -> None:
    segment = write(tmp_path / "folder", [line()])

    split = mark_split(segment)

    assert (split.path.suffix, split.is_split, split.token) == (".split", True, segment.token)
    assert not segment.path.exists()
    assert mark_split(split) == split


@pytest.mark.parametrize("part", [0.3, 0.99])
def test_a_damaged_byte_is_told_from_a_bad_row_and_nothing_of_the_segment_lands(
    session: Session, tmp_path: Path, part: float
) -> None:
    segment = write(tmp_path / "folder", [line(json.dumps({"i": i})) for i in range(50)])
    damaged(segment, int(segment.size * part))

    with pytest.raises(CorruptSegment):
        insert_segment(session, segment)

    assert count(session) == 0


def test_a_torn_tail_is_found_before_anything_is_sent(session: Session, tmp_path: Path) -> None:
    segment = write(tmp_path / "folder", [line() for _ in range(9)])
    segment.path.write_bytes(segment.path.read_bytes()[:-1])

    with pytest.raises(CorruptSegment):
        insert_segment(session, segment)
    assert count(session) == 0


def test_a_tail_lost_at_the_end_of_a_commit_is_found_too(session: Session, tmp_path: Path) -> None:
    shorter = write(tmp_path / "folder", [line() for _ in range(3)]).path.read_bytes()
    segment = write(tmp_path / "folder", [line() for _ in range(6)])
    segment.path.write_bytes(shorter)

    with pytest.raises(CorruptSegment):
        insert_segment(session, segment)
    assert count(session) == 0


def test_a_table_that_is_not_there_is_not_the_rows_fault(session: Session, tmp_path: Path) -> None:
    segment = write(tmp_path / "folder", [line()])
    session.command(f"DROP TABLE {session.database}.events_raw")

    with pytest.raises(EngineError) as caught:
        insert_segment(session, segment)
    assert not isinstance(caught.value, DataRejected)


def test_rejected_bytes_come_back_as_they_were_received(session: Session, tmp_path: Path) -> None:
    raw = bytes(range(256)) + b'\\u0041 "quoted" \xff\xfe'
    row = FailedRow(
        failure_id=uuid.uuid4(),
        received_at="2026-11-22T12:00:00Z",  # type: ignore[arg-type] # as it is encoded
        source="test",
        kind="batch",
        event_id="",
        reason="not UTF-8",
        path="$",
        raw=quote_bytes(raw),
    )
    segment = write(tmp_path / "folder", [encode_lines([row]).rstrip(b"\n")], table="failed")

    insert_segment(session, segment)

    assert session.command(f"SELECT hex(raw) FROM {session.database}.failed_events") == raw.hex().upper()


# -- a ClickHouse that has the token and not the rows, as after kill -9 in the middle of an insert ----------------------


def swallow(session: Session, segment: Segment, lines: list[bytes], suffix: str = "") -> None:
    """Make ClickHouse know the segment's token by another body: the segment's own is skipped from then on."""
    body = frame(b"".join(line + b"\n" for line in lines))
    insert._insert(session, segment.table, body, segment.token + suffix)


def test_rows_that_clickhouse_only_believes_to_have_are_put_back(session: Session, tmp_path: Path) -> None:
    lines = [line(seq=i) for i in range(1200)]
    segment = write(tmp_path / "folder", lines, per_frame=100)
    swallow(session, segment, lines[:2])
    insert_segment(session, segment)
    assert count(session) == 2

    assert restore(session, segment) == 1198

    assert count(session) == 1200
    assert restore(session, segment) == 0
    assert count(session) == 1200


def test_of_many_months_only_the_lost_part_is_put_back(session: Session, tmp_path: Path) -> None:
    lines = [line().replace(b"2026-11-22", b"2026-%02d-01" % month) for month in range(1, 7)]
    segment = write(tmp_path / "folder", lines)
    swallow(session, segment, lines[:3])
    insert_segment(session, segment)

    restore(session, segment)

    assert count(session) == 6


def test_nothing_is_put_back_where_nothing_is_missing(session: Session, tmp_path: Path) -> None:
    segment = write(tmp_path / "folder", [line() for _ in range(5)])
    insert_segment(session, segment)

    assert restore(session, segment) == 0
    assert count(session) == 5


def test_a_failed_event_that_cannot_be_told_either_stays_on_disk_and_out_of_the_log(
    session: Session, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = b'["","2026-11-22T12:00:00Z","test","batch","","ada@lovelace.example","$",""]'
    segment = mark_split(write(tmp_path / "folder", [row], table="failed"))

    insert._isolate(session, segment, [row], {0: "a constraint"}, segment.token, "0")

    kept = segment.path.with_suffix(CORRUPT)
    assert read_lines(kept.read_bytes()) == [row]
    assert kept.name in caplog.text
    assert "lovelace" not in caplog.text


def test_poison_among_lost_rows_is_isolated(session: Session, tmp_path: Path) -> None:
    lines = [line(POISON if i == 2 else "{}", seq=i) for i in range(4)]
    segment = mark_split(write(tmp_path / "folder", lines))
    for known in ("[sound]", "[0:1]"):
        swallow(session, segment, [line()], known)
    insert_split(session, segment)

    assert restore(session, segment) == 1  # 0; the poison stands in failed_events already
    assert count(session, "seq IN (0, 1, 3)") == 5  # three rows, and those that took the tokens
    assert session.command(f"SELECT count() FROM {session.database}.failed_events_raw") == 1


def test_lost_rejections_are_put_back_too(session: Session, tmp_path: Path) -> None:
    lines = [
        json.dumps(
            [str(uuid.uuid4()), "2026-11-22T12:00:00Z", "s", "batch", "", "reason", "$", "{}"]
        ).encode()
        for _ in range(3)
    ]
    segment = write(tmp_path / "folder", lines, table="failed")
    swallow(session, segment, lines[:1])
    insert_segment(session, segment)

    assert restore(session, segment) == 2
    assert session.command(f"SELECT count() FROM {session.database}.failed_events") == 3
