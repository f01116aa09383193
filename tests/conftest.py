"""What every test may ask for: a migrated ClickHouse of both kinds, and real collector processes.

A test that takes `engine` or `dsn` runs twice, as `[embedded]` and as `[server]`; each run has a database of its own.
The embedded engine allows one folder per process, so the tests' own is opened once, here.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from stitchline_collector import migrate
from stitchline_collector.engine import Engine
from tests.clickhouse_server import ClickHouseServer, ServerMissing, library
from tests.processes import CollectorProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# `make torture` runs the properties of stitching with it.
settings.register_profile("thorough", max_examples=10_000, deadline=None)


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """The real server that all tests share; a test that kills a server starts its own."""
    try:
        library()
    except ServerMissing as missing:
        if "no server library" in str(missing):
            pytest.skip(str(missing))
        pytest.fail(str(missing))
    with ClickHouseServer(tmp_path_factory.mktemp("server") / "clickhouse") as server:
        yield server


@pytest.fixture(scope="session")
def embedded_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The one folder of the embedded engine inside this process, kept open for the whole run."""
    folder = tmp_path_factory.mktemp("embedded") / "clickhouse"
    with Engine.open(f"chdb://{folder}"):
        yield folder


@pytest.fixture(params=["embedded", "server"])
def flavour(request: pytest.FixtureRequest) -> str:
    """Which ClickHouse this run uses."""
    return str(request.param)


@pytest.fixture
def empty_engine(flavour: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A ClickHouse whose database does not exist yet; dropped afterwards."""
    database = f"test_{uuid.uuid4().hex[:12]}"
    if flavour == "embedded":
        dsn = f"chdb://{request.getfixturevalue('embedded_folder')}"
    else:
        dsn = request.getfixturevalue("clickhouse_server").dsn()
    with Engine.open(dsn, database=database) as engine:
        yield engine
        _drop(engine)


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    """A ClickHouse with a fresh, migrated database."""
    migrate.apply(empty_engine)
    return empty_engine


@pytest.fixture
def dsn(flavour: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh database, for a real collector process: nothing in this process has it open."""
    if flavour == "embedded":
        yield f"chdb://{tmp_path / 'clickhouse'}"
        return
    server: ClickHouseServer = request.getfixturevalue("clickhouse_server")
    database = f"test_{uuid.uuid4().hex[:12]}"
    yield server.dsn(database)
    with Engine.open(server.dsn(database)) as engine:
        _drop(engine)


@pytest.fixture
def collector(dsn: str, tmp_path: Path) -> Iterator[Callable[..., CollectorProcess]]:
    """Start real collectors: `collector()` or `collector("--option", "value", env={...}, start=False)`."""
    started: list[CollectorProcess] = []

    def factory(
        *options: str,
        env: dict[str, str] | None = None,
        start: bool = True,
        data: Path | None = None,
        at: str = "",
    ) -> CollectorProcess:
        folder = data or tmp_path / f"data-{len(started)}"
        process = CollectorProcess(folder, at or dsn, *options, env=env)
        started.append(process)
        return process.start() if start else process

    yield factory
    for process in started:
        process.kill()


def _drop(engine: Engine) -> None:
    session = engine.session(database="default")
    session.command(f"DROP DATABASE IF EXISTS {engine.database} SYNC")
    session.close()
