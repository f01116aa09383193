"""The address of a ClickHouse: one DSN, embedded or a server.

In: `chdb:///abs/path[?database=NAME]`, or `clickhouse://user:pass@host:8123/NAME` (`clickhouses://` or `https://` for
TLS, `http://` without). Out: a checked, frozen `Address`.
Guaranteed: a database name that needs no quoting; a printed form without the password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import ParseResult, parse_qs, unquote, urlparse

DEFAULT_DATABASE = "stitchline"
_TLS = {"clickhouse": False, "http": False, "clickhouses": True, "https": True}
_DATABASE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Address:
    """Where ClickHouse is, and which database is ours.

    Attributes:
        path: the embedded engine's folder, absolute; None for a server.
        host, port, tls, user, password: of a server; unused with a path.
        database: a plain identifier.
    """

    database: str
    path: Path | None = None
    host: str = ""
    port: int = 0
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        if self.path is not None:
            return f"chdb://{self.path}"
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


def parse(dsn: str, database: str | None = None) -> Address:
    """Read a DSN.

    Args:
        dsn: see above. User, password and database may be percent-encoded.
        database: wins over the DSN's; without either it is `stitchline`.

    Returns:
        The address; nothing has been contacted.

    Raises:
        ValueError: an unknown scheme, a relative path, or a database name with other than letters, digits and `_`.
    """
    url = urlparse(dsn)
    if url.scheme == "chdb":
        return _embedded(url, database)
    if url.scheme not in _TLS or not url.hostname:
        raise ValueError(
            f"{dsn!r} is no ClickHouse address: give chdb:///abs/path or clickhouse://user:pass@host:8123/db"
        )
    tls = _TLS[url.scheme]
    return Address(
        database=_checked(database or unquote(url.path.strip("/"))),
        host=url.hostname,
        port=url.port or (8443 if tls else 8123),
        tls=tls,
        user=unquote(url.username or "default"),
        password=unquote(url.password or ""),
    )


def _embedded(url: ParseResult, database: str | None) -> Address:
    path = Path(unquote(url.path)).expanduser()
    if url.netloc or not path.is_absolute() or path == Path("/"):
        raise ValueError(
            f"chdb needs an absolute path, as in chdb:///var/lib/stitchline, not {url.geturl()!r}"
        )
    named = parse_qs(url.query).get("database", [""])[0]
    # The engine compares paths letter by letter: two spellings of one folder must become one.
    return Address(database=_checked(database or named), path=path.resolve())


def _checked(database: str) -> str:
    name = database or DEFAULT_DATABASE
    if not _DATABASE_NAME.fullmatch(name):
        raise ValueError(f"database {name!r}: use letters, digits and _ only, not beginning with a digit")
    return name
