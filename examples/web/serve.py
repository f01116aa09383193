"""A small shop's website with the browser SDK, under a strict Content Security Policy.

    stitchline serve &
    python examples/web/serve.py        # then open http://127.0.0.1:8770/

In: a collector's address and a write key. Out: the pages beside this file, with both filled in, and the SDK as
`/stitchline.js`. The pages hold no inline script: the tag's attributes say all that the SDK must know.
"""

from __future__ import annotations

import argparse
import html
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGES = Path(__file__).parent / "pages"
DIST = Path(__file__).parents[2] / "sdk" / "js" / "dist"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


class Shop(BaseHTTPRequestHandler):
    """Serves pages; `collector` and `key` are put in their place."""

    protocol_version = "HTTP/1.1"

    def __init__(self, collector: str, key: str, *args: object) -> None:
        self._collector = collector
        self._key = key
        super().__init__(*args)  # type: ignore[arg-type]  # what http.server hands on

    def do_GET(self) -> None:
        """Answer with a page, a script or 404."""
        name = self.path.partition("?")[0].lstrip("/") or "index.html"
        folder = DIST if name in {"stitchline.js", "stitchline.core.js", "links.js"} else PAGES
        if name.startswith("coffee/"):  # an address of the app: one page that routes by itself
            name = "coffee.html"
        file = folder / Path(name).name
        if not file.is_file():
            self._answer(404, b"no such page", "text/plain")
            return
        body = file.read_bytes()
        if file.suffix == ".html":
            text = body.decode()
            for word, value in (("COLLECTOR", self._collector), ("WRITE_KEY", self._key)):
                text = text.replace(f"{{{{{word}}}}}", html.escape(value))
            body = text.encode()
        self._answer(200, body, TYPES.get(file.suffix, "application/octet-stream"))

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {self._collector}",
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the collector's log is of interest."""


def server(port: int, collector: str, key: str) -> ThreadingHTTPServer:
    """Return the site, bound to a port of this machine; `serve_forever` runs it."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Shop, collector, key))


def main() -> None:
    parser = argparse.ArgumentParser(description="A shop's website with the browser SDK.")
    parser.add_argument("--port", type=int, default=8770)
    parser.add_argument("--collector", default="http://127.0.0.1:8765")
    parser.add_argument("--key", default="dev")
    options = parser.parse_args()
    if not (DIST / "stitchline.js").is_file():
        raise SystemExit("the SDK is not built yet: make js")
    with server(options.port, options.collector, options.key) as site:
        print(f"http://127.0.0.1:{options.port}/ -> {options.collector}; Ctrl-C ends it")
        site.serve_forever()


if __name__ == "__main__":
    main()
