"""One collector for each module of tests, with keys of every kind that other clients use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.chromium import running_browser
from tests.dialects.browsers import ONLY_HERE, PAGES, Shop, bundle, served
from tests.dialects.clients import APP_ID, BACKEND_KEY, SLOW_KEY, SLOWER_KEYS, WEB_KEY
from tests.processes import KEY, CollectorProcess

KEYS = [
    {"key": KEY, "kind": "admin"},
    {"key": WEB_KEY, "source": "web"},
    {"key": BACKEND_KEY, "kind": "server", "source": "backend"},
    {"key": APP_ID, "source": "snowplow"},
    {"key": SLOW_KEY, "source": "slow", "max_events_per_s": 100},
    *({"key": key, "source": "slow", "max_events_per_s": 10} for key in SLOWER_KEYS.values()),
]


@pytest.fixture(scope="module")
def service(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A running collector that the tests of a module share: each uses ids of its own."""
    folder = tmp_path_factory.mktemp("dialects")
    clickhouse = shutil.copytree(folder_template, folder / "clickhouse", symlinks=True)
    env = {"STITCHLINE_KEYS": json.dumps(KEYS)}
    process = CollectorProcess(folder / "data", f"chdb://{clickhouse}", env=env).start()
    yield process
    process.kill()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages with the browser clients in them."""
    return bundle(tmp_path_factory.mktemp("pages"), *PAGES.glob("*.js"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that finds no host but this machine."""
    with running_browser(ONLY_HERE) as started:
        yield started


@pytest.fixture
def shop(browser: Browser, pages: Path, service: CollectorProcess) -> Iterator[Shop]:
    """A site of its own, and a visitor with empty storage."""
    with served(pages) as site:
        made = Shop(browser, site, service)
        yield made
        made.close()
