"""The page at `/`: static files that ask this collector with the reader's key.

Enters: requests without a key. Leaves: HTML, CSS and ES modules, the same for everybody. Guaranteed: the files hold no data, and the
browser runs no other script and asks no other host.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class PageRoutes:
    """Answers `/` and `/page/{file}`."""

    def __init__(self) -> None:
        self._files = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [web.get("/", self.page), web.get("/page/{file}", self.file)]

    async def page(self, _request: web.Request) -> web.Response:
        """The page itself."""
        return self._answer("index.html")

    async def file(self, request: web.Request) -> web.Response:
        """One of its files."""
        return self._answer(request.match_info["file"])

    def _answer(self, name: str) -> web.Response:
        body = self._files.get(name)
        if body is None:
            raise web.HTTPNotFound
        return web.Response(
            body=body, content_type=_TYPES[Path(name).suffix], charset="utf-8", headers=_HEADERS
        )
