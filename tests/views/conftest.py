"""The views give the same answers on one machine and on two shards: `make torture` runs each test on a cluster too.

Otherwise `tests/cluster` asks each view about one town there.
"""

from __future__ import annotations

import pytest


@pytest.fixture(params=["embedded", "server", pytest.param("cluster", marks=pytest.mark.torture)])
def flavour(request: pytest.FixtureRequest) -> str:
    """Which ClickHouse this run uses."""
    return str(request.param)
