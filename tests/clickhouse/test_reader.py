"""A reader is a stranger's door: what must not pass, on both engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.engine import Engine, QueryError, ReadLimits
from tests.clickhouse.lines import event, insert, line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stitchline_collector.engine import Reader

NOT_ALLOWED = 164
SYNTAX = 62
UNKNOWN_TABLE = 60

WRITES = [
    "INSERT INTO events_raw (seq) VALUES (1)",
    "INSERT INTO FUNCTION file('/tmp/stitchline-out', 'CSV', 'a Int8') VALUES (1)",
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE t (a Int8)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE FUNCTION f AS x -> x",
    "DROP TABLE events_raw",
    "TRUNCATE TABLE events_raw",
    "ALTER TABLE events_raw DELETE WHERE 1",
    "DELETE FROM events_raw WHERE 1",
    "UPDATE events_raw SET seq = 0 WHERE 1",
    "RENAME TABLE events_raw TO t",
    "EXCHANGE TABLES events_raw AND failed_events_raw",
    "OPTIMIZE TABLE events_raw",
    "DETACH TABLE events_raw",
    "BACKUP TABLE events_raw TO File('/tmp/stitchline-backup')",
    "SYSTEM FLUSH LOGS",
    "SYSTEM STOP MERGES",
    "KILL QUERY WHERE 1",
    "GRANT SELECT ON *.* TO default",
    "CREATE USER u",
    "USE system",
    "SET readonly = 0",
    "SET max_execution_time = 0",
]
OUTSIDE = [
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT FILE('/etc/passwd')",
    "SELECT file /* a comment */ ('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"fi\\x6ce\"('/etc/passwd')",
    "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
    "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
    "SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
    "WITH x AS (SELECT file('/etc/passwd')) SELECT * FROM x",
    "SELECT 1 WHERE 1 IN (SELECT length(file('/etc/passwd')))",
    "EXPLAIN SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "DESCRIBE file('/etc/passwd', 'CSVWithNames')",
    "DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSVWithNames')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1:1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/a.csv', 'CSV', 'a String')",
    "SELECT * FROM executable('id', 'CSV', 'a String')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('/tmp/a', 'b')",
    "SELECT * FROM dictionary('d')",
    "SELECT 1 INTO OUTFILE '/tmp/stitchline-out'",
    "SELECT 1 INTO OUTFILE '/tmp/stitchline-out' AND STDOUT FORMAT CSV",
]
FILES_AS_TABLES = [
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM default.`/etc/passwd`",
    "SELECT * FROM `/etc/passwd`",
]
LIFTS = [
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT * FROM (SELECT count() FROM events SETTINGS max_memory_usage = 0)",
    "SELECT count() FROM numbers(10) SETTINGS max_result_rows = 0",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE events_raw",
    "SELECT 1 FORMAT JSON",
    "",
    "-- nothing",
]

AS_PEOPLE_WRITE_IT: list[tuple[str, list[object]]] = [
    ("SELECT count() FROM events", [3]),
    ("select count() from events -- how many?\n;", [3]),
    ("FROM events SELECT count()", [3]),
    ("WITH 1 AS one SELECT one", [1]),
    ("(SELECT 1) UNION ALL (SELECT 1)", [1]),
    (
        "SELECT 'file(1); DROP TABLE x', 1 AS file, format('{}-{}', 'a', 'b')",
        ["file(1); DROP TABLE x", 1, "a-b"],
    ),
    ("SELECT url FROM (SELECT page.url AS url FROM events LIMIT 1)", ["https://shop.example/"]),
    ("SELECT properties.price FROM events LIMIT 1", [79.9]),
    ("SELECT sum(number) FROM numbers(3)", [3]),
    ("EXISTS TABLE events", [1]),
    ("SELECT {x:UInt8} + 1", [4]),
]


@pytest.fixture
def reader(engine: Engine) -> Iterator[Reader]:
    session = engine.session()
    insert(session, *[line(event(number)) for number in range(1, 4)])
    session.close()
    reader = engine.reader(ReadLimits(time_s=2, result_rows=1000, memory_bytes=200 * 1024**2))
    yield reader
    reader.close()


def _not_refused(reader: Reader, statements: list[str], *codes: int) -> list[str]:
    """Which of the statements ran, or failed for another reason."""
    passed = []
    for sql in statements:
        try:
            reader.raw(sql)
        except QueryError as refused:
            if refused.code in codes:
                continue
        passed.append(sql)
    return passed


def test_nothing_can_be_written_or_changed(reader: Reader) -> None:
    assert _not_refused(reader, WRITES, NOT_ALLOWED, SYNTAX) == []
    assert reader.query("SELECT count() FROM events") == [(3,)]


def test_nothing_outside_the_database_can_be_reached(reader: Reader) -> None:
    assert _not_refused(reader, OUTSIDE, NOT_ALLOWED) == []


def test_a_file_cannot_be_read_as_a_table(reader: Reader) -> None:
    assert _not_refused(reader, FILES_AS_TABLES, NOT_ALLOWED, UNKNOWN_TABLE, SYNTAX) == []


def test_no_limit_can_be_lifted_and_only_one_statement_runs(reader: Reader) -> None:
    assert _not_refused(reader, LIFTS, NOT_ALLOWED, SYNTAX) == []
    assert reader.query("SELECT count() FROM events") == [(3,)]


def test_reading_is_allowed_as_people_write_it(reader: Reader) -> None:
    for sql, first in AS_PEOPLE_WRITE_IT:
        answer = json.loads(reader.raw(sql, "JSONCompact", {"x": 3} if "{x" in sql else None))
        assert answer["data"][0] == first, sql


def test_the_schema_can_be_looked_at(reader: Reader) -> None:
    for sql in ("SHOW TABLES", "DESCRIBE TABLE events", "EXPLAIN SELECT 1", "SHOW CREATE TABLE events"):
        assert reader.raw(sql, "TSV")


def test_a_statement_that_takes_too_long_is_stopped_with_a_clear_message(reader: Reader) -> None:
    with pytest.raises(QueryError, match="stopped after 2 s: ask for less") as stopped:
        reader.raw("SELECT sum(sipHash64(number)) FROM numbers(100000000000)")
    assert stopped.value.code == 159


def test_an_answer_that_is_too_long_is_refused(reader: Reader) -> None:
    with pytest.raises(QueryError, match="max rows") as refused:
        reader.raw("SELECT number FROM numbers(2000)")
    assert refused.value.code == 396


def test_a_statement_that_needs_too_much_memory_is_refused(reader: Reader) -> None:
    with pytest.raises(QueryError, match=r"(?i)memory limit") as refused:
        reader.raw("SELECT groupArray(number) FROM numbers(100000000)")
    assert refused.value.code == 241


def test_every_output_format_can_be_asked_for(reader: Reader) -> None:
    assert reader.raw("SELECT 1 AS a", "CSVWithNames") == b'"a"\n1\n'
    assert reader.raw("SELECT 1 AS a", "Parquet").startswith(b"PAR1")
    for bad in ("", "JSON INTO OUTFILE '/tmp/x'", "NoSuchFormat"):
        with pytest.raises(QueryError):
            reader.raw("SELECT 1", bad)


def test_a_wrong_name_is_the_askers_error_with_clickhouses_code(reader: Reader) -> None:
    for sql, code in (("SELECT nope FROM events", 47), ("SELECT * FROM nope", 60), ("SELEC 1", 62)):
        with pytest.raises(QueryError) as wrong:
            reader.raw(sql)
        assert wrong.value.code == code


def test_writing_still_works_beside_a_reader(engine: Engine, reader: Reader, tmp_path: Path) -> None:
    session = engine.session()
    insert(session, line(event(100)))
    assert reader.query("SELECT count() FROM events") == [(4,)]
    assert list(tmp_path.iterdir()) == []
