"""What `POST /v1/sql` understands besides the statement: parameters, and formats by name.

Enters: a request's query. Leaves: values for `{name:Type}` placeholders, and the answer's media type.
"""

from __future__ import annotations

from collections.abc import Mapping

_PARAMETER = "param_"  # as in ClickHouse's own HTTP interface

_CONTENT_TYPES = {
    "json": "application/json",
    "jsoneachrow": "application/x-ndjson",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "tabseparated": "text/tab-separated-values",
    "pretty": "text/plain",
    "vertical": "text/plain",
    "markdown": "text/markdown",
    "xml": "application/xml",
}


def parameters_of(query: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the statement's placeholders: `?param_user=42` fills `{user:String}`."""
    return {
        name.removeprefix(_PARAMETER): value for name, value in query.items() if name.startswith(_PARAMETER)
    }


def content_type(fmt: str) -> str:
    """Return the media type of one of ClickHouse's formats; of a binary one `application/octet-stream`."""
    name = fmt.lower()
    known = [kind for beginning, kind in _CONTENT_TYPES.items() if name.startswith(beginning)]
    # The longest beginning comes last: JSONEachRow is not JSON.
    return f"{known[-1]}; charset=utf-8" if known else "application/octet-stream"
