"""`serve --sql-port`: analysts' own tools connect as to a ClickHouse server, and can only read."""

from __future__ import annotations

import gzip
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest
import sqlalchemy
from clickhouse_connect.driver.exceptions import DatabaseError, ProgrammingError

from stitchline_collector.ask.sql_port.settings import granted
from stitchline_collector.engine import ReadLimits
from tests.clickhouse.test_reader import OUTSIDE, WRITES
from tests.processes import CollectorProcess
from tests.sql_port import sql_port_of, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from tests.clickhouse_server import ClickHouseServer

READ_KEY, WRITE_KEY = "read-key-1", "write-key-1"


@pytest.fixture(scope="module")
def port(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A collector in development mode that has taken three events."""
    with started(folder_template, tmp_path_factory.mktemp("port")) as collector:
        collector.send(*({"type": "track", "name": f"n{number}"} for number in range(3)))
        collector.sql_until("SELECT count() FROM events", [[3]])
        yield sql_port_of(collector)


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    """An analyst's, as they would make it."""
    with closing(clickhouse_connect.get_client(host="localhost", port=port)) as one:
        yield one


def fetch(
    port: int, statement: str = "", path: str = "/", headers: dict[str, str] | None = None, **query: str
) -> tuple[int, dict[str, str], bytes]:
    """Ask as curl would."""
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, statement.encode() or None, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_rows_frames_and_arrow_come_from_the_views(client: Client) -> None:
    assert client.database in (None, "", "default", "stitchline", "__default__")
    assert client.query("SELECT name FROM events ORDER BY name").result_rows == [("n0",), ("n1",), ("n2",)]
    assert list(client.query_df("SELECT name FROM person_events ORDER BY name")["name"]) == ["n0", "n1", "n2"]
    assert client.query_arrow("SELECT count() AS n FROM events").to_pylist() == [{"n": 3}]
    assert client.command("SELECT version()") == client.server_version


@pytest.mark.parametrize(
    "statement",
    [
        "SHOW TABLES",
        "DESCRIBE events",
        "EXISTS events",
        "EXPLAIN SELECT 1",
        "(SELECT 1)",
        "WITH 1 AS x SELECT x",
    ],
)
def test_every_reading_statement_is_answered_natively(client: Client, statement: str) -> None:
    assert client.query(statement).result_rows


def test_a_question_is_asked_as_a_view_with_parameters(client: Client) -> None:
    asked = "SELECT * FROM person_events_asof(at = {at:String}) WHERE name = 'n1'"
    assert len(client.query(asked, {"at": "2100-01-01"}).result_rows) == 1


def test_an_answer_is_streamed_in_blocks(client: Client) -> None:
    with client.query_row_block_stream("SELECT number FROM numbers(500000)") as blocks:
        sizes = [len(block) for block in blocks]
    assert sum(sizes) == 500_000
    assert len(sizes) > 1


def test_parameters_of_every_shape_arrive_as_they_were(client: Client) -> None:
    given = {"text": "it's \t \\ ü", "list": ["a'b", "c"], "none": None}
    answer = client.query("SELECT {text:String}, {list:Array(String)}, {none:Nullable(String)}", given)
    assert list(answer.result_rows[0]) == list(given.values())


def test_settings_are_honoured_quietly_taken_or_refused(client: Client, port: int) -> None:
    asked = "SELECT toTypeName(b.x), getSetting('max_execution_time') FROM (SELECT 1 AS y) a LEFT JOIN (SELECT 2 AS x) b ON y = x"
    settings = {"join_use_nulls": 1, "max_execution_time": 7}
    kind, limit = client.query(asked, settings=settings).result_rows[0]
    assert (kind, int(limit)) == ("Nullable(UInt8)", 7)
    assert client.query("SELECT 1", settings={"log_comment": "dashboard"}).result_rows == [(1,)]
    with pytest.raises(ProgrammingError, match="max_memory_usage_for_user"):
        client.query("SELECT 1", settings={"max_memory_usage_for_user": 1})
    status, headers, body = fetch(port, "SELECT 1", readonly="2")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (500, "164")
    assert body.startswith(
        b"Code: 164. DB::Exception: Cannot modify 'readonly' setting in readonly mode. (READONLY)"
    )


@pytest.mark.parametrize(
    "name", ["output_format_schema", "format_schema", "insert_deduplicate", "max_memory_usage_for_user"]
)
def test_a_setting_that_names_a_file_or_lifts_a_limit_is_refused(port: int, name: str) -> None:
    assert fetch(port, "SELECT 1", **dict[str, Any]({name: "1"}))[0] == 500


def test_a_limit_can_only_become_narrower() -> None:
    limits = ReadLimits(time_s=30, result_rows=1000)
    sent = {"max_execution_time": "0", "max_result_rows": "10", "max_memory_usage": "1e15"}
    assert granted(sent, limits) == ({}, ReadLimits(time_s=30, result_rows=10))


@pytest.mark.parametrize(
    "statement", WRITES + OUTSIDE + ["SELECT 1 INTO OUTFILE '/tmp/stitchline-stolen'", "SELECT 1; SELECT 2"]
)
def test_nothing_is_written_and_nothing_outside_is_read(port: int, statement: str) -> None:
    status, headers, body = fetch(port, statement)
    assert status >= 400
    assert body.startswith(f"Code: {headers['X-ClickHouse-Exception-Code']}. DB::Exception: ".encode())
    assert b"root:" not in body


def test_inserts_of_a_client_are_refused_with_its_own_exception(client: Client) -> None:
    with pytest.raises(DatabaseError, match="READONLY"):
        client.command("INSERT INTO events_raw (seq) VALUES (1)")
    assert client.query("SELECT count() FROM events").result_rows == [(3,)]


def test_an_error_after_the_begin_reaches_the_client(client: Client) -> None:
    asked = "SELECT throwIf(number = 900000, 'too late') FROM numbers(1000000)"
    with pytest.raises(DatabaseError, match="too late"), client.query_row_block_stream(asked) as blocks:
        for _ in blocks:
            pass
    assert client.query("SELECT 1").result_rows == [(1,)]


def test_a_syntax_error_tells_the_place_and_not_our_way_of_reading(port: int) -> None:
    _, _, body = fetch(port, "SELEC 'x (y)' FROM events")
    assert b"Syntax error: failed at position" in body
    assert b"formatQuery" not in body
    assert b"(SYNTAX_ERROR)" in body


def _asks_for_much_and_reads_nothing(port: int) -> socket.socket:
    """Returns once the answer has begun."""
    asking = socket.create_connection(("127.0.0.1", port), timeout=60)
    statement = b"SELECT repeat('x', 200) FROM numbers(900000)"
    asking.sendall(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(statement), statement)
    )
    assert asking.recv(15) == b"HTTP/1.1 200 OK"
    return asking


def test_clients_that_hang_up_leave_room_for_others(port: int) -> None:
    for _ in range(6):  # more than there are threads
        _asks_for_much_and_reads_nothing(port).close()
    assert fetch(port, "SELECT 1")[2] == b"1\n"


def test_a_client_that_does_not_read_does_not_keep_the_collector_from_stopping(
    folder_template: Path, tmp_path: Path
) -> None:
    with (
        started(folder_template, tmp_path) as collector,
        _asks_for_much_and_reads_nothing(sql_port_of(collector)),
    ):
        assert collector.terminate() == 0


def test_curl_asks_by_address_by_body_or_by_both(port: int) -> None:
    url = f"http://localhost:{port}/"
    said = [
        subprocess.run(["curl", "-sS", *arguments], check=True, capture_output=True, timeout=60).stdout
        for arguments in (
            [url],
            [url + "ping"],
            [url + "?query=SELECT%20name%20FROM%20events%20ORDER%20BY%20name%20LIMIT%201"],
            [url, "--data", "SELECT 1 AS x FORMAT JSONEachRow"],
            [url + "?query=SELECT%20%7Bx:UInt8%7D&param_x=7", "--data", "+ 1"],
            [url + "?enable_http_compression=1", "--compressed", "--data", "SELECT 2"],
            [url, "-F", "query=SELECT {x:String}", "-F", "param_x=form"],
            ["--user", "analyst:anything", url + "?default_format=CSVWithNames", "--data", "SELECT 1 AS x"],
        )
    ]
    assert said == [b"Ok.\n", b"Ok.\n", b"n0\n", b'{"x":1}\n', b"8\n", b"2\n", b"form\n", b'"x"\n1\n']


@pytest.mark.parametrize("compress", ["zstd", "gzip", "lz4", False])
@pytest.mark.parametrize("rows", [0, 100_000])
def test_every_compression_a_client_asks_for_is_spoken(port: int, compress: Any, rows: int) -> None:
    with closing(clickhouse_connect.get_client(host="localhost", port=port, compress=compress)) as client:
        assert len(client.query(f"SELECT toString(number) FROM numbers({rows})").result_rows) == rows


def test_compression_is_only_for_who_asks_for_it(port: int) -> None:
    headers = {"Accept-Encoding": "gzip"}
    assert fetch(port, "SELECT 1", headers=headers)[2] == b"1\n"
    _, told, body = fetch(port, "SELECT 1", headers=headers, enable_http_compression="1")
    assert (told["Content-Encoding"], gzip.decompress(body)) == ("gzip", b"1\n")


def test_the_headers_are_those_of_a_server(port: int) -> None:
    _, headers, _ = fetch(
        port, "SELECT 1", query_id="mine", default_format="JSONEachRow", wait_end_of_query="1"
    )
    assert headers["X-ClickHouse-Query-Id"] == "mine"
    assert headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert headers["X-ClickHouse-Server-Display-Name"] == "stitchline"
    assert headers["X-ClickHouse-Timezone"] == fetch(port, "SELECT timezone()")[2].decode().strip()
    assert "elapsed_ns" in headers["X-ClickHouse-Summary"]


@pytest.mark.parametrize(
    ("statement", "query"),
    [
        ("SELEC 1", {}),
        ("SELECT nope", {}),
        ("SELECT * FROM nope", {}),
        ("SELECT nope(1)", {}),
        ("SELECT 1 FORMAT Nope", {}),
        ("SELECT 1", {"database": "nope"}),
        ("SELECT throwIf(1)", {}),
        ("SELECT toUInt8('x')", {}),
        ("SELECT {x:UInt8}", {}),
        ("SELECT sleep(3) FROM numbers(5) SETTINGS max_block_size = 1", {"readonly": "1"}),
    ],
)
def test_status_and_code_of_an_error_are_those_of_a_real_server(
    port: int, clickhouse_server: ClickHouseServer, statement: str, query: dict[str, Any]
) -> None:
    ours, theirs = fetch(port, statement, **query), fetch(clickhouse_server.http_port, statement, **query)
    code = "X-ClickHouse-Exception-Code"
    assert (ours[0], ours[1][code]) == (theirs[0], theirs[1][code]), (ours, theirs)


def test_two_clients_are_answered_at_the_same_time(port: int) -> None:
    def ask(number: int) -> int:
        with closing(clickhouse_connect.get_client(host="localhost", port=port)) as client:
            answers = [client.query(f"SELECT {number} + sum(number) FROM numbers(1000)") for _ in range(5)]
            return sum(answer.result_rows[0][0] for answer in answers)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == [5 * (number + 499_500) for number in range(6)]


def test_superset_and_others_connect_through_sqlalchemy(port: int) -> None:
    engine = sqlalchemy.create_engine(f"clickhousedb://default:any@localhost:{port}/stitchline")
    try:
        inspector = sqlalchemy.inspect(engine)
        assert {"events", "people", "person_events"} <= {
            *inspector.get_table_names(),
            *inspector.get_view_names(),
        }
        assert "occurred_at" in {column["name"] for column in inspector.get_columns("events")}
        with engine.connect() as connection:
            statement = sqlalchemy.text("SELECT name FROM events WHERE name = :name")
            assert connection.execute(statement, {"name": "n1"}).fetchall() == [("n1",)]
    finally:
        engine.dispose()


def test_the_go_client_is_greeted_in_its_framing_and_told_the_oldest_revision(port: int) -> None:
    asked = "SELECT displayName(), version(), revision(), timezone()"
    _, _, greeting = fetch(port, asked, default_format="Native", client_protocol_version="54483")
    assert greeting.startswith(
        b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01\x0ddisplayName()\x06String\x00\x0astitchline"
    )
    assert b"\x0arevision()\x06UInt32\x00\x00\x00\x00\x00" in greeting
    _, _, later = fetch(port, "SELECT 7 AS x", default_format="Native", client_protocol_version="54483")
    assert later == b"\x01\x01\x01x\x05UInt8\x07"


def test_in_development_mode_only_a_loopback_name_is_answered(port: int) -> None:
    status, _, body = fetch(port, "SELECT 1", headers={"Host": f"rebound.example:{port}"})
    assert (status, b"loopback" in body) == (403, True)


def test_the_password_is_a_key_that_may_read(folder_template: Path, tmp_path: Path) -> None:
    config = tmp_path / "stitchline.toml"
    config.write_text(f'keys = [{{key = "{READ_KEY}", kind = "read"}}, {{key = "{WRITE_KEY}"}}]\n')
    with started(folder_template, tmp_path, "--config", str(config)) as collector:
        port = sql_port_of(collector)
        with closing(clickhouse_connect.get_client(host="localhost", port=port, password=READ_KEY)) as client:
            assert client.query("SELECT count() FROM events").result_rows == [(0,)]
        assert fetch(port, "SELECT 1", headers={"X-ClickHouse-Key": READ_KEY})[2] == b"1\n"
        assert fetch(port, "SELECT 1", password=READ_KEY)[2] == b"1\n"
        for wrong in ("", WRITE_KEY, "nobody's"):
            status, headers, body = fetch(port, "SELECT 1", password=wrong)
            assert (status, headers["X-ClickHouse-Exception-Code"]) == (403, "516")
            assert b"Authentication failed" in body


def test_with_a_server_its_own_port_is_to_be_asked(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path / "data", "clickhouse://localhost:1/x", "--sql-port", "9")
    with pytest.raises(RuntimeError, match="connect your tools to that server"):
        collector.start()
