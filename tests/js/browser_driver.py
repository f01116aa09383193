"""Drives the browser SDK in Chromium for the conformance kit: `sdk/spec/conformance.md`.

A scenario's state is a browser profile, an instance of the SDK is a tab in it, and a kill crashes the tabs' processes.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.chromium import chromium

_DIST = Path(__file__).parents[2] / "sdk" / "js" / "dist"
_VERSION = json.loads((_DIST.parent / "package.json").read_text())["version"]
_ENVELOPE = frozenset({"id", "do", "instance"})
# What the kit's commands are in the page, where `sdk` is the module and `one` the tab's client.
_INIT = """async ({endpoint, write_key, device, channel, settings}) => {
    const sdk = await import('/browser.js');
    window.offset_ms = 0;
    const clock = () => Date.now() + offset_ms;
    window.one = new sdk.Client(endpoint, write_key, {
        device, channel, ...settings, clock, auto_page: false,
        timeout_s: Math.max(settings.timeout_s, 4),  // a hint, and on a busy machine a second is short
    });
}"""
_CALLS = {
    "track": "({name, properties}) => void one.track(name, properties)",
    "screen": "({name, properties}) => void one.screen(name, properties)",
    "page": "({name, properties}) => void one.page(name, properties)",
    "burst": "({name, count}) => { for (let n = 0; n < count; n++) one.track(`${name}-${n}`) }",
    "identify": "({user, ...tags}) => void one.identify(user, tags)",
    "link": "({linked}) => void one.link(linked)",
    "logout": "() => void one.logout()",
    "consent": "({purposes}) => void one.consent(purposes)",
    "clock": "given => void (offset_ms = given.offset_ms)",
    "flush": "async ({timeout_s}) => ({delivered: await one.flush(timeout_s)})",
    "close": "async ({timeout_s}) => ({delivered: await one.close(timeout_s)})",
}


class _Site(SimpleHTTPRequestHandler):
    """The built SDK, and an empty page."""

    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: standard error is for what went wrong."""


class BrowserDriver:
    """Tabs by the names of their instances, and profiles by state."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self._profiles: dict[str, BrowserContext] = {}
        self._tabs: dict[str, Page] = {}

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        what, name = command["do"], command.get("instance", "")
        given = {key: value for key, value in command.items() if key not in _ENVELOPE}
        if what == "hello":
            sdk = {"name": "stitchline-js in Chromium", "version": _VERSION}
            return {"sdk": sdk, "can": ["disk", "kill", "clock", "two", "bound", "repeats"]}
        if what == "init":
            self._tabs[name] = self._opened(given["state"])
            self._tabs[name].evaluate(_INIT, given)
            return {}
        if what == "kill":
            self._kill()
            return {}
        did = self._tabs[name].evaluate(_CALLS[what], given)
        if what == "close":
            self._tabs.pop(name).close()
        return did or {}

    def _opened(self, state: str) -> Page:
        if state not in self._profiles:
            for profile in self._profiles.values():  # of the scenario before
                profile.close()
            self._profiles = {state: self._browser.new_context()}
        tab = self._profiles[state].new_page()
        tab.goto(self._url)
        return tab

    def _kill(self) -> None:
        for tab in self._tabs.values():
            with contextlib.suppress(Error):  # a crashed tab does not answer
                tab.goto("chrome://crash", timeout=2_000)
        self._tabs.clear()


def main() -> None:
    """Do what stands in standard input, line by line."""
    found = chromium()
    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Site, directory=str(_DIST)))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.executable,
            env=dict(found.env) or None,
            args=["--no-sandbox", "--disable-gpu"],
        )
        driver = BrowserDriver(browser, f"http://127.0.0.1:{site.server_port}/")
        for line in sys.stdin:
            command = json.loads(line)
            try:
                answer = {"ok": True, **driver.do(command)}
            except Exception as error:  # noqa: BLE001 - whatever it is, the kit wants to know
                answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
            print(json.dumps({"id": command["id"], **answer}), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
