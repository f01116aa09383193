"""The greeting of ClickHouse's Go client, and so of Grafana's plugin, over HTTP.

It asks for name, version, revision and time zone, reads that one answer in the framing of the newest revision it knows, and all
later ones in that of the revision it was told. The embedded engine writes Native in the framing of revision 0 only, as for
clients that ask for nothing else. So the greeting is framed here, and names revision 0.
"""

from __future__ import annotations

import re
from collections.abc import Generator

_ASKED = re.compile(r"SELECT displayName\(\), version\(\), revision\(\), timezone\(\)")
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # no overflow row, no bucket, end
_FLAGS_SINCE = 54454  # each column then has a byte for "written in a way of its own"
_REVISION = (0).to_bytes(4, "little")


def is_hello(canonical: str, fmt: str, client_revision: str) -> bool:
    """Whether this is the greeting of a client that reads newer framing."""
    newer = client_revision.isdigit() and int(client_revision) >= _FLAGS_SINCE
    return newer and fmt == "Native" and bool(_ASKED.fullmatch(canonical))


def hello(name: str, version: str, timezone: str) -> Generator[bytes, None, None]:
    """The answer, one block of one row."""
    columns = (
        ("displayName()", "String", _text(name)),
        ("version()", "String", _text(version)),
        ("revision()", "UInt32", _REVISION),
        ("timezone()", "String", _text(timezone)),
    )
    block = _BLOCK_INFO + bytes((len(columns), 1))
    yield block + b"".join(_text(title) + _text(kind) + b"\x00" + value for title, kind, value in columns)


def _text(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data  # all of these are shorter than 128
