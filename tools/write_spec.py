# noqa: INP001 (a script, in no package)
"""Write the machine-readable protocol from the collector's types.

In: the collector's msgspec types and the conformance kit's checks. Out: `sdk/spec/schema.json` (JSON Schema 2020-12 of a batch),
`sdk/spec/openapi.json` (OpenAPI 3.1 of every native endpoint), and the table of checks in `sdk/spec/conformance.md`. Run it after one
of them changed; a test fails until then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from stitchline_collector.conformance.checks import as_markdown
from stitchline_collector.corrections import Recorded, Word
from stitchline_collector.decode import Rejection
from stitchline_collector.erasure.erasing import Erasure
from stitchline_collector.erasure.http import Forgotten
from stitchline_collector.replay import Replayed
from stitchline_collector.wire import Batch as WireBatch
from stitchline_collector.wire import Event as WireEvent

SPEC = Path(__file__).parents[1] / "sdk" / "spec"
Json = dict[str, Any]


class Error(msgspec.Struct):
    """What was wrong, and what to do."""

    error: str
    hint: str


def _told(kind: type[msgspec.Struct], **instead: Any) -> type[msgspec.Struct]:
    """A type as a schema tells it, with other types for some fields: `Raw` has no schema."""
    fields = [
        (
            field.name,
            instead.get(field.name, field.type),
            msgspec.field(default_factory=dict)
            if field.name == "properties"
            else msgspec.field(default=field.default, default_factory=field.default_factory),
        )
        for field in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(
        kind.__name__, fields, kw_only=True, forbid_unknown_fields=True, namespace={"__doc__": kind.__doc__}
    )


# A class's annotations would be looked up by a name this module does not have when a test runs it.
Acknowledgement = msgspec.defstruct(
    "Acknowledgement",
    [("accepted", int), ("rejected", list[Rejection])],
    namespace={"__doc__": "Events that are on disk, and events that are in failed_events instead."},
)
Event = _told(WireEvent, properties=dict[str, Any])
Batch = _told(WireBatch, events=list[Event])  # type: ignore[valid-type]


def components(*types: type, template: str) -> dict[str, Json]:
    """The schemas of types and of all they hold, by name."""
    return msgspec.json.schema_components(types, ref_template=template)[1]


def schema() -> Json:
    """JSON Schema of the body of `POST /v1/events`."""
    defs = components(Batch, template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Written by tools/write_spec.py from the collector's types. What it takes; protocol.md asks more of a client.",
        **defs.pop("Batch"),
        "$defs": defs,
    }


def _ref(kind: type) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}


def _query(**meanings: str) -> list[Json]:
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in meanings.items()
    ]


def _path(*names: str) -> list[Json]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


_ANY = {"application/json": {"schema": {"type": "object"}}}
_PAGE = {"text/html": {}}
_LINES = {"application/x-ndjson": {"schema": {"type": "string"}}}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_EVENTS = {"text/event-stream": {"schema": {"type": "string"}}}
_IMAGE = {"image/gif": {}}
_WHY = {
    "400": "the request cannot be understood",
    "401": "no key, or one that may not",
    "403": "the key is for pages of other origins",
    "404": "nobody was seen with this",
    "409": "it belongs to nobody, or another collector stitches",
    "408": "the body did not arrive in time",
    "413": "too large, also after inflating",
    "415": "unknown Content-Encoding",
    "429": "over the rate of the key or of the address; see Retry-After",
    "501": "not on a cluster with replicas yet",
    "503": "not now; see Retry-After",
}


def _operation(
    summary: str,
    answer: Json,
    errors: str = "",
    *,
    body: Json | None = None,
    parameters: list[Json] | None = None,
    key: str = "",
    status: str = "200",
) -> Json:
    """One operation; `key` is the kind of key it asks for."""
    responses: Json = {status: {"description": "done", "content": answer}}
    for code in errors.split():
        responses[code] = {"description": _WHY[code], "content": _ref(Error)}
        if code in ("429", "503"):
            responses[code]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    found: Json = {"summary": summary, "responses": responses}
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = {"required": True, "content": body}
    if key:
        found["description"] = f"Needs a key of kind `{key}`."
    else:
        found["security"] = []
    return found


def paths() -> dict[str, Json]:
    """Every native endpoint of the collector."""
    asked = "400 401 404 503"
    who = _path("namespace", "value")
    as_of = {"as_of": "as it was known at a moment, ISO 8601"}
    return {
        "/v1/events": {
            "post": _operation(
                "Take a batch; answers when it is durable",
                _ref(Acknowledgement),
                "400 401 403 408 413 415 429 503",
                body=_ref(Batch),
                key="write",
            )
        },
        "/v1/pixel.gif": {
            "get": _operation(
                "Take one event from the address of an image (P-1.7)",
                _IMAGE,
                parameters=_query(key="a write key", name="what happened; anything else is a field of P-1.7"),
            )
        },
        "/v1/sql": {
            "post": _operation(
                "Run one SELECT",
                _ANY,
                "400 401 503",
                body=_TEXT,
                parameters=_query(format="a ClickHouse format; JSON without"),
                key="read",
            )
        },
        "/v1/queries": {
            "get": _operation("List the named questions and their parameters", _ANY, "401", key="read")
        },
        "/v1/queries/{name}": {
            "get": _operation(
                "Run a named question; what is not given has its default",
                _ANY,
                "400 401 404 503",
                parameters=_path("name")
                + _query(
                    format="a ClickHouse format; JSON without; anything else is a parameter of the question",
                    as_of="with the persons and events that were known at a moment",
                ),
                key="read",
            )
        },
        "/v1/segments": {
            "get": _operation("List the segments with their sizes", _ANY, "400 401 503", key="read")
        },
        "/v1/segments/{name}": {
            "get": _operation(
                "Tell a segment's members",
                _ANY,
                "400 401 404 503",
                parameters=_path("name") + _query(limit="so many at most; 100 without"),
                key="read",
            )
        },
        "/v1/segments/{name}/export": {
            "get": _operation(
                "Tell a segment's members who have agreed, with identifiers",
                _ANY,
                "400 401 404 503",
                parameters=_path("name")
                + _query(
                    namespaces="of identifiers, separated by commas; user without",
                    format="a ClickHouse format; CSVWithNames without",
                ),
                key="read",
            )
        },
        "/v1/webhooks": {
            "get": _operation(
                "List the webhooks: what waits, what was taken, and the dead letters", _ANY, "401", key="read"
            )
        },
        "/v1/webhooks/{name}/replay": {
            "post": _operation(
                "Send the dead letters of a webhook again",
                _ANY,
                "401 404 503",
                parameters=_path("name"),
                key="admin",
            )
        },
        "/v1/people/{namespace}/{value}": {
            "get": _operation(
                "Tell one person, with the latest events",
                _ANY,
                asked,
                parameters=who + _query(events="how many events", **as_of),
                key="read",
            ),
            "delete": _operation(
                "Erase one person for good; what arrives of them later is dropped",
                _ref(Erasure),
                "400 401 409 501 503",
                parameters=who,
                key="admin",
            ),
        },
        "/v1/export/{namespace}/{value}": {
            "get": _operation(
                "Tell everything there is of one person, a JSON object a line",
                _LINES,
                "400 401 409 503",
                parameters=who,
                key="admin",
            )
        },
        "/v1/suppressions/{namespace}/{value}": {
            "delete": _operation(
                "Let somebody come back who was erased",
                _ref(Forgotten),
                "400 401 503",
                parameters=who,
                key="admin",
            )
        },
        "/v1/journey/{namespace}/{value}": {
            "get": _operation(
                "Tell one person's events in the order in which they happened",
                _ANY,
                asked,
                parameters=who
                + _query(events="how many events", diff="1: what changed since `as_of`", **as_of),
                key="read",
            )
        },
        "/v1/identity/evidence/{namespace}/{value}": {
            "get": _operation(
                "Tell the evidence for one person as nodes and edges, with what was refused and by which rule",
                _ANY,
                asked,
                parameters=who,
                key="read",
            )
        },
        "/v1/identity/why": {
            "get": _operation(
                "Tell why two identifiers are one person, or what stands between them",
                _ANY,
                asked,
                parameters=_query(a="namespace:value", b="namespace:value"),
                key="read",
            )
        },
        "/v1/identity/{verdict}": {
            "post": _operation(
                "Say that two identifiers are one person (`link`) or two (`unlink`), or withdraw an unlink (`relink`)",
                _ref(Recorded),
                "400 401 404 503",
                body=_ref(Word),
                parameters=[
                    {
                        "name": "verdict",
                        "in": "path",
                        "required": True,
                        "schema": {"enum": ["link", "unlink", "relink"]},
                    }
                ],
                key="admin",
            )
        },
        "/v1/identity/rebuild": {
            "post": _operation("Decide everybody anew", _ANY, "401 409", key="admin", status="202")
        },
        "/v1/tail": {
            "get": _operation(
                "Tell the events that arrived since a cursor",
                _ANY,
                "400 401 503",
                parameters=_query(cursor="of the last answer", name="only these", events="at most"),
                key="read",
            )
        },
        "/v1/tail/stream": {
            "get": _operation(
                "Tell events as they arrive, without an end: server-sent events, a message for each with its cursor as the id",
                _EVENTS,
                "400 401 503",
                parameters=[
                    *_query(name="only these", events="at most so many of before"),
                    {
                        "name": "Last-Event-ID",
                        "in": "header",
                        "required": False,
                        "description": "the id heard last: what came since is told first",
                        "schema": {"type": "string"},
                    },
                ],
                key="read",
            )
        },
        "/v1/failed/replay": {
            "post": _operation(
                "Send rejected events through the event path again",
                _ref(Replayed),
                "400 401 503",
                parameters=_query(reason="only whose reason holds this", limit="at most"),
                key="admin",
            )
        },
        "/health/live": {"get": _operation("The process answers", _ANY)},
        "/health/ready": {"get": _operation("It can acknowledge events", _ANY)},
        "/metrics": {"get": _operation("Prometheus' text format", _TEXT)},
        "/": {"get": _operation("The page, for a browser; its files are under /page/", _PAGE)},
    }


def openapi() -> Json:
    """OpenAPI 3.1 of the collector."""
    template = "#/components/schemas/{name}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stitchline collector",
            "version": "1",
            "description": "Written by tools/write_spec.py from the collector's types; sdk/spec/protocol.md says what they mean. "
            "Any other address is answered 404, and another method 405, both with an Error.",
        },
        "security": [{"key": []}, {"keyInQuery": []}],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "keyInQuery": {"type": "apiKey", "in": "query", "name": "key"},
            },
            "schemas": components(
                Batch, Acknowledgement, Error, Word, Recorded, Replayed, Erasure, Forgotten, template=template
            ),
        },
    }


def files() -> dict[Path, str]:
    """Each file with its text."""
    page = (SPEC / "conformance.md").read_text()
    begin, end = "<!-- checks -->\n", "<!-- /checks -->"
    before, _, rest = page.partition(begin)
    return {
        SPEC / "schema.json": json.dumps(schema(), indent=2) + "\n",
        SPEC / "openapi.json": json.dumps(openapi(), indent=2) + "\n",
        SPEC / "conformance.md": before + begin + as_markdown() + end + rest.partition(end)[2],
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
