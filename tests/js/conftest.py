"""The built SDK, the example site, a collector and a Chromium, each once."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.chromium import node, running_browser
from tests.clickhouse_server import free_port
from tests.processes import KEY, CollectorProcess

ROOT = Path(__file__).parents[2]
JS = ROOT / "sdk" / "js"


@pytest.fixture(scope="session")
def built() -> Path:
    """The SDK's folder, freshly built; a type error fails here."""
    done = subprocess.run([node(), "build.mjs"], cwd=JS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return JS


@pytest.fixture(scope="module")
def service(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that the tests of a module share; its write key is the test key."""
    folder = tmp_path_factory.mktemp("js")
    clickhouse = shutil.copytree(folder_template, folder / "clickhouse", symlinks=True)
    env = {
        "STITCHLINE_KEYS": json.dumps([{"key": KEY, "kind": "admin"}, {"key": "web-key-1", "source": "web"}])
    }
    process = CollectorProcess(folder / "data", f"chdb://{clickhouse}", env=env).start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def site(built: Path, service: CollectorProcess) -> Iterator[Callable[[], str]]:
    """Serve the example shop; each call is a site of its own, with storage of its own."""
    assert (built / "dist" / "stitchline.js").is_file()
    make: Callable[..., ThreadingHTTPServer] = runpy.run_path(str(ROOT / "examples" / "web" / "serve.py"))[
        "server"
    ]
    servers: list[ThreadingHTTPServer] = []

    def serve() -> str:
        port = free_port()
        servers.append(make(port, service.url, "web-key-1"))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with running_browser() as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor with empty storage; fails the test if the SDK let an error reach a page."""
    made = browser.new_context(viewport={"width": 1000, "height": 640})
    errors: list[Any] = []
    made.on("weberror", lambda error: errors.append(error.error))
    yield made
    made.close()
    assert errors == []
