"""Here ClickHouse is two shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clickhouse_cluster import ClickHouseCluster


@pytest.fixture(params=["cluster"])
def flavour(request: pytest.FixtureRequest) -> str:
    """Which ClickHouse this run uses."""
    return str(request.param)


@pytest.fixture
def own_cluster(clickhouse_cluster: ClickHouseCluster, tmp_path: Path) -> Iterator[ClickHouseCluster]:
    """Two shards of this test alone, to be killed."""
    del clickhouse_cluster  # asked for only to learn whether one can run here
    with ClickHouseCluster(tmp_path / "cluster") as cluster:
        yield cluster
