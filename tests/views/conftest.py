"""What tests of several views start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stitchline_collector.journeys import prepare
from tests.views.towns import MILESTONE

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine


@pytest.fixture
def marked(engine: Engine) -> Engine:
    """A ClickHouse where some of the events A and D reach the milestone `won`."""
    prepare(engine, MILESTONE)
    return engine
