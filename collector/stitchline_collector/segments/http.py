"""The routes of segments: `/v1/segments`, `/v1/segments/{name}` and `/v1/segments/{name}/export`.

Enters: requests with a read key. Leaves: sizes, members, or a file of them.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from functools import partial

from aiohttp import web

from ..ask import Asking
from ..ask.http import Handler
from ..ask.sql import content_type
from ..engine import TIMEOUT_EXCEEDED, QueryError
from ..receive.refusals import Refusal
from .definition import Segment
from .members import export, members, sizes

_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_MEMBERS = 10_000
_DEFAULT_NAMESPACES = "user"


class SegmentRoutes:
    """Answers questions about segments.

    Args:
        segments: by name.
        asking: who may ask, and the pool that questions run in.
    """

    def __init__(self, segments: Mapping[str, Segment], asking: Asking) -> None:
        self._segments = segments
        self._asking = asking

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [
            web.get("/v1/segments", self._guarded(self.list)),
            web.get("/v1/segments/{name:[^/]+}", self._guarded(self.show)),
            web.get("/v1/segments/{name:[^/]+}/export", self._guarded(self.export)),
        ]

    async def list(self, _request: web.Request) -> web.Response:
        """List the segments with their sizes."""
        now = dt.datetime.now(dt.UTC)
        told = []
        for segment in self._segments.values():
            try:
                told.append(await self._asking.readers.ask(partial(sizes, segment=segment, now=now)))
            except QueryError as error:
                raise _wrong(segment, error) from error
        return _json({"segments": told})

    async def show(self, request: web.Request) -> web.Response:
        """Tell the members, at most `?limit=`."""
        segment, limit, now = self._asked(request), _limit(request), dt.datetime.now(dt.UTC)
        try:
            size = await self._asking.readers.ask(lambda reader: sizes(reader, segment, now))
            found = await self._asking.readers.ask(lambda reader: members(reader, segment, now, limit))
        except QueryError as error:
            raise _wrong(segment, error) from error
        return _json({"segment": size, "members": found})

    async def export(self, request: web.Request) -> web.Response:
        """Tell who has agreed, with identifiers of `?namespaces=`, in `?format=`."""
        segment, now = self._asked(request), dt.datetime.now(dt.UTC)
        fmt = request.query.get("format", "CSVWithNames")
        wanted = request.query.get("namespaces", _DEFAULT_NAMESPACES).split(",")
        namespaces = list(dict.fromkeys(one.strip() for one in wanted if one.strip()))
        for namespace in namespaces:
            if not _NAMESPACE.fullmatch(namespace):
                raise Refusal(400, f"{namespace!r} is no namespace", "for example ?namespaces=user,email")
        try:
            body = await self._asking.readers.ask(
                lambda reader: export(reader, segment, now, namespaces, fmt)
            )
        except QueryError as error:
            raise _wrong(segment, error) from error
        return web.Response(body=body, headers={"Content-Type": content_type(fmt)})

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            return await self._asking.guarded(handler)(request)

        return guarded

    def _asked(self, request: web.Request) -> Segment:
        name = request.match_info["name"]
        if name not in self._segments:
            there = ", ".join(self._segments) or "none: name a folder in the setting `segments`"
            raise Refusal(404, f"there is no segment {name!r}", f"there are {there}")
        return self._segments[name]


def _wrong(segment: Segment, error: QueryError) -> Refusal:
    hint = (
        "sql_timeout_s sets the limit"
        if error.code == TIMEOUT_EXCEEDED
        else "its `sql` is one SELECT with a column person_id; without one, the parameters of this request are wrong"
    )
    return Refusal(400, f"segment {segment.name}: {error.message.partition(chr(10))[0]}", hint)


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "100")
    if not (text.isascii() and text.isdigit() and int(text) <= _MOST_MEMBERS):
        raise Refusal(
            400, f"limit={text!r} is not a number up to {_MOST_MEMBERS:,}", "an export has no such limit"
        )
    return int(text)


def _json(answer: object) -> web.Response:
    body = json.dumps(answer, ensure_ascii=False, default=str).encode()
    return web.Response(body=body, content_type="application/json")
