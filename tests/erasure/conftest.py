"""Here a test runs on two shards as well: what is erased, exported or renewed lies on several servers there."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(params=os.environ.get("STITCHLINE_TEST_CLICKHOUSE", "embedded server cluster").split())
def flavour(request: pytest.FixtureRequest) -> str:
    """Which ClickHouse this run uses."""
    return str(request.param)
