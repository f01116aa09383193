"""Everything that the engine itself calls a table function, and every function that takes a text, in every place of a statement.

A secret lies in a file and a listener waits for connections: whatever is asked, the secret is not told and nobody calls.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.engine import QueryError, Reader, ReadLimits
from tests.clickhouse.lines import event, insert, line

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

SECRET = "the-secret-of-the-file-1b7f"
PLACES = [
    "SELECT * FROM {call}",
    "DESCRIBE TABLE {call}",
    "SELECT * FROM (SELECT * FROM {call})",
    "WITH a AS (SELECT * FROM {call}) SELECT * FROM a",
    "SELECT count() FROM events WHERE name IN (SELECT * FROM {call})",
    "SELECT * FROM events AS e LEFT JOIN {call} AS f ON 1",
    "SELECT 1 UNION ALL SELECT * FROM {call}",
    "SELECT * FROM view(SELECT * FROM {call})",
    "EXPLAIN PIPELINE SELECT * FROM {call}",
    "SELECT (SELECT * FROM {call} LIMIT 1)",
]
SCALARS = [
    "SELECT arrayMap(x -> {call}, [1])",
    "SELECT count() FROM events WHERE toString({call}) = 'x'",
    "SELECT * APPLY(x -> {call}) FROM (SELECT 1)",
    "EXPLAIN SELECT {call}",
]
# Functions that take one text and have no end to their work or too much of it; their limits are tested elsewhere.
ENDLESS = {"sleep", "sleepEachRow"}


@pytest.fixture
def reader(engine: Engine) -> Iterator[Reader]:
    """A stranger's, over three events."""
    session = engine.session()
    insert(session, *[line(event(number)) for number in range(1, 4)])
    session.close()
    one = engine.reader(ReadLimits(time_s=5, result_rows=10_000, memory_bytes=200 * 1024**2))
    yield one
    one.close()


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[Path, socket.socket]]:
    """A file with the secret, and a listener."""
    secret = tmp_path / "secret.csv"
    secret.write_text(SECRET + "\n")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)
        yield secret, listener


def ask_all(reader: Reader, statements: list[str]) -> list[str]:
    """Run each; none tells the secret. Returns those that were answered."""
    answered = []
    for statement in statements:
        try:
            told = reader.raw(statement, "TSV")
            answered.append(statement)
        except QueryError as error:
            told = str(error).encode()
        assert SECRET.encode() not in told, statement
    return answered


def nobody_called(listener: socket.socket) -> bool:
    with suppress(BlockingIOError):
        listener.accept()
        return False
    return True


def test_no_table_function_reads_a_file_or_calls_anybody(
    reader: Reader, outside: tuple[Path, socket.socket]
) -> None:
    secret, listener = outside
    port = listener.getsockname()[1]
    arguments = [
        f"'{secret}', 'LineAsString'",
        f"'{secret}'",
        f"'http://127.0.0.1:{port}/x.csv', 'LineAsString', 'a String'",
        f"'127.0.0.1:{port}', system.one",
        f"'127.0.0.1:{port}', 'a', 'b', 'c', 'd'",
    ]
    names = reader.raw("SELECT name FROM system.table_functions ORDER BY name", "TSV").decode().split()
    assert {"file", "url", "remote"} <= set(names)
    ask_all(
        reader,
        [
            place.format(call=f"{name}({argument})")
            for name in names
            for argument in arguments
            for place in (PLACES if argument is arguments[0] else PLACES[:2])
        ],
    )
    assert nobody_called(listener)
    assert reader.raw("SELECT count() FROM events", "TSV") == b"3\n"


def test_no_function_of_a_text_reads_a_file_or_calls_anybody(
    reader: Reader, outside: tuple[Path, socket.socket]
) -> None:
    secret, listener = outside
    port = listener.getsockname()[1]
    names = (
        reader.raw("SELECT name FROM system.functions WHERE NOT is_aggregate ORDER BY name", "TSV")
        .decode()
        .split()
    )
    assert "file" in names
    path, url = f"'{secret}'", f"'http://127.0.0.1:{port}/x'"
    answered = ask_all(reader, [f"SELECT {name}({path})" for name in names if name not in ENDLESS])
    assert len(answered) > 100  # length, upper, hex and the like: what only computes is not refused
    ask_all(reader, [statement.replace(path, url) for statement in answered])
    ask_all(reader, [place.format(call=f"file({path})") for place in SCALARS])
    assert nobody_called(listener)
