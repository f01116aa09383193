from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from clickhouse_connect.driver.exceptions import DatabaseError

from stitchline_collector import migrate
from stitchline_collector.engine import (
    DATA_ERRORS,
    DataRejected,
    Engine,
    EngineBusy,
    EngineUnavailable,
    QueryError,
    address,
    errors,
)
from tests.clickhouse.lines import COLUMNS, event, insert, line
from tests.clickhouse_server import ClickHouseServer, free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("dsn", "printed", "database"),
    [
        ("chdb:///var/lib/s", "chdb:///var/lib/s", "stitchline"),
        ("chdb:////var/lib/s/", "chdb:///var/lib/s", "stitchline"),
        ("chdb:///var/lib/s?database=other", "chdb:///var/lib/s", "other"),
        ("clickhouse://ch", "http://ch:8123", "stitchline"),
        ("clickhouse://me:p%40ss@ch:9999/mine", "http://ch:9999", "mine"),
        ("clickhouses://ch/", "https://ch:8443", "stitchline"),
        ("https://ch:443/mine", "https://ch:443", "mine"),
    ],
)
def test_a_dsn_is_read_and_printed_without_its_password(dsn: str, printed: str, database: str) -> None:
    found = address.parse(dsn)

    assert (str(found), found.database) == (printed, database)
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "chdb://relative",
        "chdb:///",
        "mysql://x/y",
        "clickhouse:///db",
        "clickhouse://h/d;b",
        "chdb:///a?database=1x",
    ],
)
def test_a_dsn_that_cannot_be_meant_is_refused(dsn: str) -> None:
    with pytest.raises(ValueError, match=r"chdb|database"):
        address.parse(dsn)


def test_every_code_has_clickhouses_own_name(engine: Engine) -> None:
    codes = DATA_ERRORS | errors.RETRY_LATER | errors.RETRY_INSERT_LATER | errors.REFUSED
    names = engine.session().query(
        "SELECT arrayMap(code -> errorCodeToName(code), {codes:Array(Int32)})", {"codes": list(codes)}
    )
    assert dict(zip(codes, names[0][0], strict=True)) == codes


def test_a_shard_that_goes_away_within_an_insert_is_not_taken_for_a_bad_row() -> None:
    error = DatabaseError(
        "Received ClickHouse exception, code: 32, server response: Code: 32. DB::Exception: Attempt to read after eof: while "
        "receiving packet from 10.0.0.2:9000, local address: 10.0.0.1:49252: Insertion status:\nWrote 1 blocks and 153 rows"
    )
    error.code = 32
    with (
        pytest.raises(errors.EngineUnavailable, match="while receiving packet"),
        errors.mapped("one", inserting=True),
    ):
        raise error


def test_rows_come_back_with_names_and_times_in_utc(engine: Engine) -> None:
    rows = engine.session().query("SELECT 1 AS one, toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC') AS at")

    assert rows.columns == ("one", "at")
    assert rows[0][1].isoformat() == "2026-01-02T03:04:05.678000+00:00"
    assert rows.dicts()[0]["one"] == 1


def test_parameters_are_bound_not_pasted(engine: Engine) -> None:
    nasty = "'); DROP TABLE events_raw; -- \\ \n\t\x00{x:String}"
    assert engine.session().query("SELECT {x:String}", {"x": nasty}) == [(nasty,)]


def test_several_zstd_frames_are_one_body(engine: Engine) -> None:
    session = engine.session()
    insert(session, *[line(event(number)) for number in range(1, 6)])
    assert session.query("SELECT count() FROM events") == [(5,)]


BAD_CELLS = [
    ("event_id", b'"no uuid"'),
    ("occurred_at", b'"never"'),
    ("device_time", b'"2026-02-30T00:00:00Z"'),
    ("seq", b'"x"'),
    ("identifiers", b"5"),
    ("consent", b'{"a": "maybe"}'),
    ("page", b"5"),
    ("properties", b'"text"'),
    ("name", b'"\\ud800"'),
    ("page", b'{"url": "1", "url": "2"}'),
    ("event_id", b""" "x """),
]


def test_a_bad_row_is_the_datas_fault_and_nothing_of_the_body_lands(engine: Engine) -> None:
    session = engine.session()
    for column, raw in BAD_CELLS:
        with pytest.raises(DataRejected) as rejected:
            insert(session, line(event(1)), line(event(2), **{column: raw}), line(event(3)))
        assert rejected.value.code in DATA_ERRORS
        assert "phone-1" not in rejected.value.message  # the row itself stays out of logs
        assert session.query("SELECT count() FROM events") == [(0,)]


def test_a_missing_table_or_column_is_not_the_datas_fault(engine: Engine) -> None:
    session = engine.session()
    with pytest.raises(QueryError) as no_table:
        session.insert_body("nope", COLUMNS, b"", "JSONCompactEachRow")
    with pytest.raises(QueryError) as no_column:
        session.insert_body("events_raw", ["nope"], b"[1]\n", "JSONCompactEachRow")
    assert (no_table.value.code, no_column.value.code) == (60, 16)


def test_bytes_that_are_no_zstd_are_a_query_error(engine: Engine) -> None:
    whole = zstd.compress(line(event(1)))
    for body in (b"hello", whole[:40] + b"xxxxx" + whole[45:]):
        with pytest.raises(QueryError) as broken:
            engine.session().insert_body("events_raw", COLUMNS, body, "JSONCompactEachRow", "zstd")
        assert broken.value.code == 561


def test_threads_with_a_session_each_work_side_by_side(engine: Engine) -> None:
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            session = engine.session()
            for number in range(first, first + 5):
                insert(session, line(event(number)))
                session.query("SELECT count() FROM events")
            session.close()
        except BaseException as error:  # noqa: BLE001 (reported below)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert engine.session().query("SELECT count() FROM events") == [(15,)]


def test_a_folder_that_another_process_holds_is_busy_and_says_whom_to_ask(tmp_path: Path) -> None:
    dsn = f"chdb://{tmp_path}/clickhouse"
    hold = f"from stitchline_collector.engine import Engine; e = Engine.open({dsn!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try_it = f"""
from stitchline_collector.engine import Engine, EngineBusy
try:
    Engine.open({dsn!r})
except EngineBusy as busy:
    print(busy)
"""
        second = subprocess.run([sys.executable, "-c", try_it], capture_output=True, text=True, check=True)
        holder.communicate(b"\n")

    assert second.stdout.startswith(f"another process holds the embedded ClickHouse at {tmp_path}/clickhouse")
    assert "ask that one over HTTP" in second.stdout


@pytest.mark.usefixtures("embedded_folder")
def test_a_second_folder_in_one_process_is_busy(tmp_path: Path) -> None:
    with pytest.raises(EngineBusy, match="already has another embedded ClickHouse open"):
        Engine.open(f"chdb://{tmp_path}/other")


def test_an_embedded_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = f"""
from stitchline_collector.engine import Engine, EngineError
try:
    Engine.open("chdb://{tmp_path}/file/clickhouse")
except EngineError as error:
    print(type(error).__name__, error)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.startswith("EngineUnavailable the embedded ClickHouse cannot start at"), printed


def test_a_server_that_is_away_is_unavailable_and_not_contacted_before_a_session() -> None:
    engine = Engine.open(f"clickhouse://127.0.0.1:{free_port()}/db")
    with pytest.raises(EngineUnavailable, match=r"does not answer: .*Connection refused"):
        engine.session()


def test_a_session_survives_a_server_that_dies_and_comes_back(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path / "clickhouse") as server, Engine.open(server.dsn()) as engine:
        migrate.apply(engine)
        session = engine.session()
        insert(session, line(event(1)))
        server.kill()
        with pytest.raises(EngineUnavailable):
            insert(session, line(event(2)))
        server.start()
        insert(session, line(event(3)))
        assert session.query("SELECT groupArray(seq) FROM (SELECT seq FROM events ORDER BY seq)") == [
            ([1, 3],)
        ]


def test_wrong_credentials_are_not_worth_a_retry(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path / "clickhouse") as server:
        engine = Engine.open(f"clickhouse://default:wrong@127.0.0.1:{server.http_port}/db")
        with pytest.raises(QueryError) as refused:
            engine.session()
        assert refused.value.code in (194, 516)
