"""Errors as a ClickHouse server words them: status, code, text.

Enters: an `EngineError`. Leaves: the status of the answer and `Code: 62. DB::Exception: ... (SYNTAX_ERROR)`.
The statuses are those of a server; a test compares them with one.
"""

from __future__ import annotations

import re

from ...engine import DATA_ERRORS, TIMEOUT_EXCEEDED, EngineError, EngineUnavailable

AUTHENTICATION_FAILED = 516
UNKNOWN_DATABASE = 81
_UNAVAILABLE = 745  # SERVER_OVERLOADED: clients may try again
_NOT_IMPLEMENTED = 48

_NAMES = {
    36: "BAD_ARGUMENTS",
    _NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    62: "SYNTAX_ERROR",
    72: "CANNOT_PARSE_NUMBER",
    73: "UNKNOWN_FORMAT",
    UNKNOWN_DATABASE: "UNKNOWN_DATABASE",
    TIMEOUT_EXCEEDED: "TIMEOUT_EXCEEDED",
    164: "READONLY",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    _UNAVAILABLE: "SERVER_OVERLOADED",
}
_NAMED = re.compile(r"\([A-Z][A-Z0-9_]+\)$")
_NOT_FOUND = (46, 47, 50, 56, 60, 63, 73, 78, 81, 115)
_BAD_REQUEST = (36, 43, 62, *DATA_ERRORS)


def code_of(error: EngineError) -> int:
    """ClickHouse's code of an error."""
    return error.code or (_UNAVAILABLE if isinstance(error, EngineUnavailable) else 36)


def status_of(error: EngineError) -> int:
    """The HTTP status that a server answers with."""
    code = code_of(error)
    if isinstance(error, EngineUnavailable):
        return 503
    if code == AUTHENTICATION_FAILED:
        return 403
    if code in _NOT_FOUND:
        return 404
    if code == _NOT_IMPLEMENTED:
        return 501
    if code == TIMEOUT_EXCEEDED:
        return 408
    return 400 if code in _BAD_REQUEST else 500


def text_of(error: EngineError, version: str) -> str:
    """The body of the answer."""
    message, code = error.message.rstrip(), code_of(error)
    if not _NAMED.search(message) and code in _NAMES:
        message = f"{message.rstrip('.')}. ({_NAMES[code]})"
    return f"Code: {code}. DB::Exception: {message} (version {version} (official build))\n"
