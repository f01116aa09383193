"""A request in ClickHouse's HTTP protocol, read.

Enters: an HTTP request. Leaves: the statement, its parameters and settings, how the answer is to be written, and the key.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from ...engine import QueryError
from ..sql import parameters_of
from .blocks import unpack

_NOT_IMPLEMENTED = 48
_BAD_ARGUMENTS = 36
_NO_SETTING = frozenset("query database default_format user password key".split())
_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Request:
    """What a client asks.

    Attributes:
        statement: SQL; empty for none.
        database: The database for names without one; empty for ours.
        fmt: Format of the answer, if the statement names none.
        parameters: Values of `{name:Type}`, escaped.
        settings: ClickHouse's settings and those of the connection.
        query_id: The client's name for it, or a new one.
        whole: Whether the answer may begin only when it is complete, so that no error comes after its begin.
        encodings: Content encodings the client takes; none unless it asks for compression.
        in_blocks: Whether the answer is to be packed in the blocks of ClickHouse's own clients.
    """

    statement: str
    database: str
    fmt: str
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    query_id: str
    whole: bool
    encodings: tuple[str, ...]
    in_blocks: bool


def key_of(request: web.Request) -> str:
    """The read key: a password, however a client of ClickHouse sends it. A password left out is the user's name."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    user, key = request.query.get("user", ""), request.query.get("password", "")
    if scheme.lower() == "basic":
        try:
            user, _, key = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
    user, key = (
        request.headers.get(name, sent)
        for name, sent in (("X-ClickHouse-User", user), ("X-ClickHouse-Key", key))
    )
    return key or user or "default"


def wants_blocks(request: web.Request) -> bool:
    """Whether the answer, an error too, is to be packed in the blocks of ClickHouse's own clients."""
    return request.query.get("compress") in _TRUE


async def read(request: web.Request, max_bytes: int) -> Request:
    """Read a request.

    Args:
        request: It.
        max_bytes: The most that a packed statement may become.

    Raises:
        QueryError: it asks for what this port does not speak, or its blocks are damaged.
    """
    fields: dict[str, str] = dict(request.query)
    if request.content_type == "multipart/form-data":
        fields |= await _form(request)
        body = ""
    else:
        sent = await request.read()
        body = _decoded(unpack(sent, max_bytes) if fields.get("decompress") in _TRUE else sent)
    compressed = fields.get("enable_http_compression") in _TRUE
    return Request(
        statement="\n".join(text for text in (fields.get("query", ""), body) if text.strip()),
        database=fields.get("database", request.headers.get("X-ClickHouse-Database", "")),
        fmt=fields.get("default_format", request.headers.get("X-ClickHouse-Format", "TabSeparated")),
        parameters=parameters_of(fields),
        settings={
            name: value
            for name, value in fields.items()
            if name not in _NO_SETTING and not name.startswith("param_")
        },
        query_id=fields.get("query_id") or str(uuid.uuid4()),
        whole=fields.get("wait_end_of_query") in _TRUE,
        encodings=_accepted(request.headers.get("Accept-Encoding", "")) if compressed else (),
        in_blocks=wants_blocks(request),
    )


def _accepted(header: str) -> tuple[str, ...]:
    offers = (offer.partition(";") for offer in header.lower().split(","))
    return tuple(name.strip() for name, _, quality in offers if quality.strip() not in ("q=0", "q=0.0"))


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form: a client sends long parameters so. A file would be a table of the client's own."""
    fields: dict[str, str] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None or part.filename is not None:
            raise QueryError("tables sent along with a query are not taken", _NOT_IMPLEMENTED)
        fields[part.name] = _decoded(bytes(await part.read(decode=True)))
    return fields


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise QueryError(
            "the statement is not UTF-8; one in compressed blocks needs decompress=1", _BAD_ARGUMENTS
        ) from None
