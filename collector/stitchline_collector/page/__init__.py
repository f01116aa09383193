"""The page at `/`: static files that ask this collector with the reader's key.

Enters: requests without a key. Leaves: HTML, CSS and ES modules, the same for everybody. Guaranteed: the files hold no data, and the
browser runs no other script and asks no other host.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

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
    "Vary": "Accept-Encoding",
}


class _File(NamedTuple):
    """One file as it is sent: small, because phones fetch the charts' library too."""

    kind: str
    plain: bytes
    small: bytes
    tag: str


class PageRoutes:
    """Answers `/` and `/page/{file}`."""

    def __init__(self) -> None:
        self._files = {
            path.relative_to(_FOLDER).as_posix(): _read(path)
            for path in _FOLDER.rglob("*")
            if path.suffix in _TYPES
        }

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [web.get("/", self.page), web.get("/page/{file:.+}", self.file)]

    async def page(self, request: web.Request) -> web.Response:
        """The page itself."""
        return self._answer(request, "index.html")

    async def file(self, request: web.Request) -> web.Response:
        """One of its files."""
        return self._answer(request, request.match_info["file"])

    def _answer(self, request: web.Request, name: str) -> web.Response:
        file = self._files.get(name)
        if file is None:
            raise web.HTTPNotFound
        headers = {**_HEADERS, "ETag": file.tag}
        if request.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=headers)
        body = file.plain
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = file.small, "gzip"
        return web.Response(body=body, content_type=file.kind, charset="utf-8", headers=headers)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(
        _TYPES[path.suffix],
        body,
        gzip.compress(body, mtime=0),
        f'W/"{hashlib.sha256(body).hexdigest()[:16]}"',
    )
