"""A collector with keys, and a Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.chromium import running_browser
from tests.processes import KEY, CollectorProcess


@pytest.fixture(scope="module")
def service(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that the tests of a module share."""
    folder = tmp_path_factory.mktemp("page")
    clickhouse = shutil.copytree(folder_template, folder / "clickhouse", symlinks=True)
    env = {
        "STITCHLINE_KEYS": json.dumps([{"key": "reader-1", "kind": "read"}, {"key": KEY, "source": "web"}])
    }
    process = CollectorProcess(folder / "data", f"chdb://{clickhouse}", env=env).start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with running_browser() as started:
        yield started
