"""Pages of a shop that speak other products' clients, as they come from npm, in a Chromium that reaches nobody else.

In: the entries in `pages/`, each a client's own start; a collector. Out: an open page of a site of its own, where `client` is the
product's. Guaranteed: page and collector are of different origins, and a request to any other host fails and fails the test.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import TOOLS, node
from tests.dialects.clients import APP_ID, WEB_KEY
from tests.processes import CollectorProcess

PAGES = Path(__file__).with_name("pages")
KEYS = {"segment": WEB_KEY, "rudder": WEB_KEY, "snowplow": APP_ID, "posthog": WEB_KEY}
HERE = "127.0.0.1"
ONLY_HERE = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HERE}"
_PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Cart</title><script type="module" src="/{name}.js"></script></html>'


def bundle(folder: Path, *entries: Path) -> Path:
    """Pack each client and its start into one script, as a shop's build would, beside a page that loads it."""
    if not (TOOLS / "node_modules" / "posthog-js").exists():
        pytest.fail("the browser clients are missing: `make .tools/.npm` fetches them")
    esbuild = TOOLS / "node_modules" / "esbuild" / "bin" / "esbuild"
    command = [node(), str(esbuild), *map(str, entries), "--bundle", "--format=esm", f"--outdir={folder}"]
    env = {**os.environ, "NODE_PATH": str(TOOLS / "node_modules")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for entry in entries:
        (folder / f"{entry.stem}.html").write_text(_PAGE.format(name=entry.stem))
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server of the pages; its port makes it another origin than the collector's."""
    server = ThreadingHTTPServer((HERE, 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://{HERE}:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Shop:
    """Pages of a site, and the collector that their clients send to."""

    def __init__(self, browser: Browser, site: str, service: CollectorProcess) -> None:
        self.site = site
        self.service = service
        self.context = browser.new_context(viewport={"width": 1000, "height": 640}, locale="de-DE")
        self._posted: list[str] = []
        self._refused: list[int] = []
        self._strangers: list[str] = []
        self.context.on("request", lambda request: self._seen(request.method, request.url))
        self.context.on("response", lambda answer: self._answered(answer.url, answer.status))

    def _seen(self, method: str, url: str) -> None:
        address = urlsplit(url)
        if address.scheme in ("http", "https") and address.hostname != HERE:
            self._strangers.append(url)
        if method == "POST" and url.startswith(self.service.url):
            self._posted.append(address.path)

    def _answered(self, url: str, status: int) -> None:
        if status >= 400 and url.startswith(self.service.url):
            self._refused.append(status)

    def posted(self) -> list[str]:
        """Where the pages have sent something, once for each time."""
        self._listen()
        return self._posted

    def refused(self) -> list[int]:
        """The errors that the collector has answered the pages."""
        self._listen()
        return self._refused

    def _listen(self) -> None:
        """The browser tells what it did only while it is talked with."""
        for page in self.context.pages:
            page.evaluate("0")

    def open(self, name: str, key: str = "", query: str = "", **options: Any) -> Page:
        """A page on which a client has started.

        Args:
            name: The client's, as in `KEYS`.
            key: Another one than the client's usual.
            query: Of the page's address.
            options: Of the client's start, under its own names.
        """
        page = self.context.new_page()
        page.goto(f"{self.site}/{name}.html{query}")
        page.evaluate("(o) => start(o)", {"url": self.service.url, "key": key or KEYS[name], **options})
        return page

    def close(self) -> None:
        """Leave; fails if a page has asked another host."""
        self.context.close()
        assert self._strangers == []
