"""`stitchline import` as people run it: a process, files, and both kinds of ClickHouse."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from stitchline_collector.engine import Engine
from stitchline_collector.history.outlet import Outlet
from stitchline_collector.settings import load
from stitchline_collector.spool import Folder, adopt
from tests.processes import CollectorProcess
from tests.system.senders import HEADERS

Collectors = Callable[..., CollectorProcess]
WITHIN_S = 120
INTERRUPTED = 130
SMALL_SPOOL = {"STITCHLINE_MAX_SPOOL_BYTES": "400000", "STITCHLINE_SEAL_AGE_S": "0.1"}


class Import:
    """`stitchline import` for one data folder and ClickHouse.

    Attributes:
        data: The data folder.
    """

    def __init__(self, data: Path, dsn: str) -> None:
        self.data = data
        self._options = ["--data", str(data), "--clickhouse", dsn]

    def start(
        self, *arguments: str, env: dict[str, str] | None = None, largest_file_kib: int = 0
    ) -> subprocess.Popen[bytes]:
        limit = ["bash", "-c", f'ulimit -f {largest_file_kib}; exec "$@"', "bash"] if largest_file_kib else []
        command = [sys.executable, "-m", "stitchline_collector", "import"]
        return subprocess.Popen(
            [*limit, *command, *self._options, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )

    def __call__(
        self,
        *arguments: str,
        stdin: bytes = b"",
        status: int = 0,
        env: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Run it to its end, and return its report."""
        with self.start("--json", *arguments, env=env) as process:
            out, err = process.communicate(stdin, WITHIN_S)
        assert process.returncode == status, err.decode()
        return {"stderr": err.decode(), **json.loads(out)}


@pytest.fixture
def imports(tmp_path: Path, dsn: str) -> Import:
    return Import(tmp_path / "data-of-import", dsn)


@pytest.fixture
def other_dsn(dsn: str, flavour: str, tmp_path: Path) -> Iterator[str]:
    """A second database."""
    if flavour == "embedded":
        yield f"chdb://{tmp_path / 'other'}"
        return
    yield f"{dsn}_other"
    with Engine.open(f"{dsn}_other") as engine:
        session = engine.session(database="default")
        session.command(f"DROP DATABASE {engine.database} SYNC")
        session.close()


def event(**fields: Any) -> dict[str, Any]:
    usual = {"type": "track", "name": "x", "occurred_at": "2024-05-01T09:59:00Z"}
    return {"event_id": str(uuid.uuid4()), **usual, **fields}


def line(*events: dict[str, Any], **envelope: Any) -> bytes:
    defaults = {"sent_at": "2024-05-01T10:00:00Z", "device": {"id": "d"}}
    return json.dumps({**defaults, **envelope, "events": events}).encode() + b"\n"


def many_lines(count: int, events: int = 20) -> bytes:
    """Lines whose rows compress badly, so that a small spool is soon full."""
    return b"".join(
        line(*[event(seq=i, properties={"noise": uuid.uuid4().hex}) for i in range(events)])
        for _ in range(count)
    )


def asked(collector: Collectors, imports: Import) -> CollectorProcess:
    """A collector to ask, on the import's data."""
    return collector(data=imports.data)


def count(collector: CollectorProcess) -> list[list[Any]]:
    return collector.sql("SELECT count(), uniqExact(event_id) FROM events")


def test_imported_events_are_what_the_same_batches_over_http_become(
    collector: Collectors, imports: Import, other_dsn: str, tmp_path: Path
) -> None:
    lines = [
        line(
            event(identifiers={"user": "42", "email": "Ada@Example.com"}, properties={"price": 7.5}),
            event(type="page", page={"url": "https://shop.example/?utm_source=news&utm_medium=email"}),
            event(consent={"analytics": False}, identifiers={"user": "43"}),
            event(event_id="019aabf5-52e8-7c3e-8d5b-0123456789ab", occurred_at=None),
            identifiers={"phone": "+49 30 123456"},
            session_id="s",
        ),
        line(event(type="link", linked={"user": "7"}), event(naem="wrong"), channel="branch"),
    ]
    keys = {
        "STITCHLINE_KEYS": json.dumps(
            [
                {"key": "test-key", "kind": "server", "source": "import"},
                {"key": "read-key", "kind": "read"},
            ]
        ),
        "STITCHLINE_CONTACT_KEY": "k" * 32,
    }
    over_http = collector(env=keys, at=other_dsn)
    for one in lines:
        assert over_http.request("POST", "/v1/events", one, HEADERS)[0] == 200
    (tmp_path / "history").write_bytes(b"".join(lines))
    assert imports(str(tmp_path / "history"), env=keys)["events"] == 5
    imported = collector(env=keys, data=imports.data)

    def rows(process: CollectorProcess, table: str, columns: str) -> Any:
        query = f"SELECT {columns} FROM {table} ORDER BY event_id"
        answer = process.request(
            "POST", "/v1/sql?format=JSONCompact", query.encode(), {"Authorization": "Bearer read-key"}
        )[2]
        return json.loads(answer)["data"]

    columns = "* EXCEPT (received_at, clock, occurred_at)"
    _until(lambda: len(rows(over_http, "events", columns)) == 5)
    assert rows(imported, "events", columns) == rows(over_http, "events", columns)
    columns = "source, kind, event_id, reason, raw"
    _until(lambda: len(rows(over_http, "failed_events", columns)) == 1)
    assert rows(imported, "failed_events", columns) == rows(over_http, "failed_events", columns)


def test_compressed_and_plain_files_and_standard_input_are_read(
    collector: Collectors, imports: Import, tmp_path: Path
) -> None:
    files = []
    for name, compress in (("a", bytes), ("b", gzip.compress), ("c", zstd.compress)):
        files.append(str(tmp_path / name))
        Path(files[-1]).write_bytes(compress(line(event(name=name))))

    report = imports(*files, "-", stdin=gzip.compress(line(event(name="stdin"))))

    assert [one["accepted"] for one in report["files"]] == [1, 1, 1, 1]
    assert report["loaded"]
    names = asked(collector, imports).sql("SELECT name FROM events ORDER BY name")
    assert names == [["a"], ["b"], ["c"], ["stdin"]]


def test_importing_twice_is_importing_once(collector: Collectors, imports: Import, tmp_path: Path) -> None:
    nameless = {"type": "track", "name": "x"}  # without id and time
    history = tmp_path / "history.jsonl"
    history.write_bytes(line(event(), nameless, event(naem="wrong")) + b"no batch\n" + line(event()))

    first, second = imports(str(history)), imports(str(history))
    again = imports("--again", str(history))
    from_stdin = imports("-", stdin=history.read_bytes())

    assert (first["events"], first["rejected"]) == (3, 2)
    assert (second["events"], second["rejected"]) == (0, 0)
    assert second["files"] == [{**first["files"][0], "lines_before": 3}]
    assert (again["events"], from_stdin["events"]) == (3, 3)
    process = asked(collector, imports)
    assert count(process) == [[3, 3]]
    # Once by the file's own time, once by that of standard input: the line without any time is another failure there.
    assert process.sql("SELECT uniqExact(failure_id) FROM failed_events") == [[2]]


def test_bad_lines_and_events_are_kept_with_their_place(
    collector: Collectors, imports: Import, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    history.write_bytes(line(event()) + b'{"evnets": []}\n' + line(event(), event(seq="many")))

    report = imports(str(history))

    assert report["files"][0]["rejected"] == {"unknown_field": 1, "wrong_type": 1}
    process = asked(collector, imports)
    assert process.sql("SELECT path FROM failed_events ORDER BY path") == [
        [f"{history}:2"],
        [f"{history}:3 $.events[1].seq"],
    ]
    assert count(process) == [[2, 2]]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_what_ended_an_import_in_the_middle_loses_and_doubles_nothing(
    collector: Collectors, imports: Import, tmp_path: Path, number: signal.Signals
) -> None:
    history = tmp_path / "history.jsonl"
    history.write_bytes(many_lines(2000))
    with imports.start(str(history), env=SMALL_SPOOL) as process:
        _until(lambda: _imported_bytes(imports) > 0)
        process.send_signal(number)
        process.communicate(timeout=WITHIN_S)
    assert 0 < _imported_bytes(imports) < history.stat().st_size, "it was not ended in the middle"
    assert process.returncode == (-signal.SIGKILL if number is signal.SIGKILL else INTERRUPTED)

    report = imports(str(history))

    assert report["complete"]
    assert 0 < report["events"] < 40_000
    assert report["files"][0]["accepted"] == 40_000
    assert list((imports.data / "spool").iterdir()) == []
    assert count(asked(collector, imports)) == [[40_000, 40_000]]


@pytest.mark.parametrize("flavour", ["server"], indirect=True)
def test_a_disk_that_takes_no_more_ends_an_import_that_goes_on_later(
    collector: Collectors, imports: Import, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    history.write_bytes(many_lines(2000))
    with imports.start(str(history), largest_file_kib=300, env={"STITCHLINE_SEAL_AGE_S": "60"}) as process:
        _, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    assert "cannot be written" in err.decode()
    assert "the same command goes on from here" in err.decode()

    assert imports(str(history))["complete"]

    assert count(asked(collector, imports)) == [[40_000, 40_000]]


def test_a_file_that_has_grown_goes_on_and_one_that_was_edited_begins_anew(
    imports: Import, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    lines = [line(event(properties={"text": "x" * 1000})) for _ in range(200)]
    history.write_bytes(b"".join(lines[:100]))
    assert imports(str(history))["events"] == 100
    history.write_bytes(b"".join(lines))
    assert imports(str(history))["events"] == 100

    history.write_bytes(b"".join([*lines[:90], line(event(name="y")), *lines[91:]]))
    edited = imports(str(history))

    assert (edited["events"], edited["files"][0]["changed"]) == (200, True)


def test_the_clock_is_corrected_as_it_was_then(
    collector: Collectors, imports: Import, tmp_path: Path
) -> None:
    (tmp_path / "history").write_bytes(line(event(), received_at="2024-05-01T09:00:00.250Z"))
    imports(str(tmp_path / "history"))

    assert asked(collector, imports).sql(
        "SELECT toString(occurred_at), toString(device_time), toString(received_at), clock.offset_ms FROM events"
    ) == [["2024-05-01 08:59:00.250", "2024-05-01 09:59:00.000", "2024-05-01 09:00:00.250", -3_599_750]]


def test_a_running_collector_and_an_import_share_a_data_folder(
    collector: Collectors, imports: Import, tmp_path: Path, flavour: str
) -> None:
    process = asked(collector, imports)
    process.send(event(name="live"))
    (tmp_path / "history").write_bytes(many_lines(50))

    report = imports(str(tmp_path / "history"))

    # A server is open to both; the embedded engine is the collector's, which adopts what is left to it.
    assert report["loaded"] == (flavour == "server")
    process.sql_until("SELECT count(), uniqExact(event_id) FROM events", [[1001, 1001]], within_s=60)
    _until(lambda: len(list((imports.data / "spool").iterdir())) == 1)


@pytest.mark.parametrize("flavour", ["embedded"], indirect=True)
def test_what_nobody_would_load_is_refused(collector: Collectors, imports: Import, tmp_path: Path) -> None:
    elsewhere = collector()
    (tmp_path / "history").write_bytes(line(event()))

    report = imports(str(tmp_path / "history"), status=1)

    assert "give --data as it does" in report["error"]
    assert elsewhere.data != imports.data
    assert not list((imports.data / "import").glob("*"))


@pytest.mark.parametrize("flavour", ["embedded"], indirect=True)
async def test_what_is_left_to_a_collector_can_be_adopted_while_the_import_goes_on(
    collector: Collectors, dsn: str, tmp_path: Path
) -> None:
    collector()  # has the engine
    spool = tmp_path / "shared" / "spool"
    other = Folder.create(spool)  # stands for that collector's folder in the import's data
    settings = load(given={"data": str(spool.parent), "clickhouse": dsn, "max_spool_bytes": 200_000})
    outlet = Outlet(settings)
    await outlet.open()
    rows = 0
    for _ in range(1000):
        if not await outlet.room():
            break
        done = outlet.append("events", os.urandom(5000).hex().encode() + b"\n", 1)
        assert done is not None
        await done
        rows += 1

    assert 0 < rows < 30  # half of max_spool_bytes
    adopted = adopt(spool)
    assert len(adopted) > 1
    for folder, segments in adopted:
        for segment in segments:
            rows -= segment.rows
            segment.path.unlink()
        folder.remove_if_empty()
    assert await outlet.room()
    await outlet.close(0)
    assert rows == sum(segment.rows for _, segments in adopt(spool) for segment in segments)
    other.release()


def test_a_file_that_holds_no_batches_is_refused_as_a_whole(
    collector: Collectors, imports: Import, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "table.csv"
    good.write_bytes(line(event()))
    bad.write_bytes(b"event,time\nx,2024\n")

    report = imports(str(good), str(bad), status=1)

    assert "none of its first 2 lines is a batch" in report["error"]
    assert [one["complete"] for one in report["files"]] == [True, False]
    process = asked(collector, imports)
    assert (count(process), process.sql("SELECT count() FROM failed_events")) == ([[1, 1]], [[0]])


def test_a_file_that_is_cut_off_is_imported_as_far_as_it_goes_and_then_to_its_end(
    imports: Import, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl.gz"
    whole = gzip.compress(many_lines(500))
    history.write_bytes(whole[: len(whole) * 3 // 4])

    report = imports(str(history), status=1)
    assert "cut off" in report["error"]
    assert 0 < report["events"] < 10_000
    assert report["loaded"]

    history.write_bytes(whole)
    assert imports(str(history))["files"][0]["accepted"] == 10_000


def test_the_command_says_what_it_did_and_what_to_do(imports: Import, tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_bytes(line(event(), event(seq="many")))

    with imports.start(str(history)) as process:
        out = process.communicate(timeout=WITHIN_S)[0].decode()

    assert f"{history}: 1 events, rejected 1 wrong_type" in out
    assert "all of them are in ClickHouse" in out
    assert "stitchline failed list" in out
    command = [sys.executable, "-m", "stitchline_collector", "import"]
    assert (
        "Example" in subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    )
    missing = subprocess.run([*command, "nowhere.jsonl"], capture_output=True, text=True, check=False)
    assert (missing.returncode, "nowhere.jsonl" in missing.stderr) == (2, True)


def _imported_bytes(imports: Import) -> int:
    """How far the one file's bookmark is."""
    for path in (imports.data / "import").glob("*.json"):
        return int(json.loads(path.read_text())["mark"]["place"]["offset"])
    return 0


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
