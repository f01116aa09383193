"""What every test may ask for: a migrated ClickHouse of both kinds, and real collector processes.

A test that takes `engine` or `dsn` runs twice, as `[embedded]` and as `[server]`, or as
STITCHLINE_TEST_CLICKHOUSE says, which may be `cluster`: two shards. What is marked `shards` runs there always.
Each run has a database of its own.
The embedded engine allows one folder per process, so the tests' own is opened once, here.
"""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from stitchline_collector.engine import Engine
from tests.clickhouse_cluster import ClickHouseCluster
from tests.clickhouse_server import ClickHouseServer, ServerMissing, library
from tests.databases import Template, drop, migrated_folder, new_name, quick_folder
from tests.processes import CollectorProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A shell that starts the tests in the background has them ignore SIGINT, and the processes that they start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# How long an example takes tells only how busy the machine is. In CI the examples are the same in each run, as by Hypothesis's
# own profile.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("patient")
# `make torture` runs the properties of stitching with it.
settings.register_profile("thorough", max_examples=10_000, deadline=None)


_EVERY = ["embedded", "server", "cluster"]


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where ClickHouse's folders lie that many tests share."""
    with quick_folder(tmp_path_factory.mktemp("databases")) as folder:
        yield folder


@pytest.fixture(scope="session")
def clickhouse_server(databases: Path) -> Iterator[ClickHouseServer]:
    """The real server that all tests share; a test that kills a server starts its own."""
    try:
        library()
    except ServerMissing as missing:
        if "no server library" in str(missing):
            pytest.skip(str(missing))
        pytest.fail(str(missing))
    with ClickHouseServer(databases / "server") as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse_cluster(databases: Path) -> Iterator[ClickHouseCluster]:
    """Two shards that all tests share which are not only for one machine; a test that kills a shard starts its own."""
    with ClickHouseCluster(databases / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster_template(clickhouse_cluster: ClickHouseCluster) -> Iterator[Template]:
    """What a migrated database is on the cluster."""
    with Engine.open(clickhouse_cluster.dsn(new_name())) as engine, closing(Template(engine)) as one:
        yield one


@pytest.fixture(scope="session")
def embedded_folder(databases: Path) -> Iterator[Path]:
    """The one folder of the embedded engine inside this process, kept open for the whole run."""
    folder = databases / "embedded"
    with Engine.open(f"chdb://{folder}"):
        yield folder


@pytest.fixture(scope="session")
def embedded_template(embedded_folder: Path) -> Iterator[Template]:
    """What a migrated database is on the embedded engine."""
    with (
        Engine.open(f"chdb://{embedded_folder}", database=new_name()) as engine,
        closing(Template(engine)) as one,
    ):
        yield one


@pytest.fixture(scope="session")
def server_template(clickhouse_server: ClickHouseServer) -> Iterator[Template]:
    """What a migrated database is on the server."""
    with Engine.open(clickhouse_server.dsn(new_name())) as engine, closing(Template(engine)) as one:
        yield one


@pytest.fixture(scope="session")
def folder_template(databases: Path) -> Path:
    """A migrated folder of the embedded engine that nothing has open."""
    return migrated_folder(databases / "template")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have what is marked `shards` run on two shards as well, each time; `shards(False)` takes a test of a marked module out."""
    marked = metafunc.definition.get_closest_marker("shards")
    named = "STITCHLINE_TEST_CLICKHOUSE" in os.environ
    if marked and marked.args != (False,) and not named and "flavour" in metafunc.fixturenames:
        metafunc.definition.add_marker(pytest.mark.parametrize("flavour", _EVERY, indirect=True))


@pytest.fixture(params=os.environ.get("STITCHLINE_TEST_CLICKHOUSE", "embedded server").split())
def flavour(request: pytest.FixtureRequest) -> str:
    """Which ClickHouse this run uses."""
    return str(request.param)


def _empty(flavour: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    if flavour == "embedded":
        dsn = f"chdb://{request.getfixturevalue('embedded_folder')}"
    else:
        dsn = request.getfixturevalue(f"clickhouse_{flavour}").dsn()
    with Engine.open(dsn, database=new_name()) as engine:
        yield engine
        drop(engine)


@pytest.fixture
def empty_engine(flavour: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A ClickHouse whose database does not exist yet; dropped afterwards."""
    yield from _empty(flavour, request)


@pytest.fixture
def empty_neighbour(flavour: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Another such database, in the same ClickHouse."""
    yield from _empty(flavour, request)


@pytest.fixture
def engine(flavour: str, empty_engine: Engine, request: pytest.FixtureRequest) -> Engine:
    """A ClickHouse with a fresh, migrated database."""
    template: Template = request.getfixturevalue(f"{flavour}_template")
    template.copy_to(empty_engine)
    return empty_engine


@pytest.fixture
def dsn(flavour: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh, migrated database, for a real collector process: nothing in this process has it open."""
    if flavour == "embedded":
        folder = shutil.copytree(
            request.getfixturevalue("folder_template"), tmp_path / "clickhouse", symlinks=True
        )
        yield f"chdb://{folder}"
        return
    server: ClickHouseServer | ClickHouseCluster = request.getfixturevalue(f"clickhouse_{flavour}")
    template: Template = request.getfixturevalue(f"{flavour}_template")
    with Engine.open(server.dsn(new_name())) as engine:
        template.copy_to(engine)
        yield server.dsn(engine.database)
        drop(engine)


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
