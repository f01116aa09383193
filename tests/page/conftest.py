"""A collector with keys, and a Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import running_browser
from tests.page.visitor import PATIENCE_MS, READ_KEY
from tests.processes import KEY, CollectorProcess


@pytest.fixture(scope="module")
def service(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that the tests of a module share."""
    folder = tmp_path_factory.mktemp("page")
    clickhouse = shutil.copytree(folder_template, folder / "clickhouse", symlinks=True)
    journey = folder / "journey.toml"
    journey.write_text(
        'stages = ["awareness", "consideration", "purchase", "onboarding", "retention", "advocacy"]\n'
        '[[milestones]]\nname = "told_a_friend"\nstage = "advocacy"\nevent = "friend_invited"\n'
    )
    keys = [{"key": READ_KEY, "kind": "read"}, {"key": KEY, "source": "web"}]
    env = {"STITCHLINE_KEYS": json.dumps(keys), "STITCHLINE_JOURNEY": str(journey)}
    process = CollectorProcess(folder / "data", f"chdb://{clickhouse}", env=env).start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with running_browser() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A visitor without a key; fails the test on a breach of the policy, or an error in a script."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    errors: list[Any] = []
    context.on("weberror", lambda error: errors.append(error.error))
    made = context.new_page()
    made.set_default_timeout(PATIENCE_MS)
    made.add_init_script(
        "addEventListener('securitypolicyviolation', e => setTimeout(() => { throw Error(e.violatedDirective) }))"
    )
    yield made
    context.close()
    assert errors == []
