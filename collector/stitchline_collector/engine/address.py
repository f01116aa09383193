"""The address of a ClickHouse: one DSN, embedded or a server.

In: `chdb:///abs/path[?database=NAME]`, or `clickhouse://user:pass@host:8123/NAME` (`clickhouses://` or `https://` for
TLS, `http://` without); of a cluster one host per shard, `clickhouse://user:pass@one:8123,two:8123/NAME?cluster=CLUSTER`.
Out: a checked, frozen `Address`.
Guaranteed: a database name that needs no quoting; a printed form without the password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import ParseResult, parse_qs, unquote, urlparse

DEFAULT_DATABASE = "stitchline"
_TLS = {"clickhouse": False, "http": False, "clickhouses": True, "https": True}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Address:
    """Where ClickHouse is, and which database is ours.

    Attributes:
        path: the embedded engine's folder, absolute; None for a server.
        host, port, tls, user, password: of a server; unused with a path. Of a cluster, they are the first shard's.
        database: a plain identifier.
        others: host and port of a cluster's other shards, in the order that `remote_servers` has them.
        cluster: its name there; empty for one machine.
        replicated: its shards have replicas.
    """

    database: str
    path: Path | None = None
    host: str = ""
    port: int = 0
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    others: tuple[tuple[str, int], ...] = ()
    cluster: str = ""
    replicated: bool = False

    def shards(self) -> list[Address]:
        """Return the address of each shard by itself; of one machine, its own."""
        places = [(self.host, self.port), *self.others]
        return [replace(self, host=host, port=port, others=()) for host, port in places]

    def __str__(self) -> str:
        if self.path is not None:
            return f"chdb://{self.path}"
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


def parse(dsn: str, database: str | None = None, cluster: str = "") -> Address:
    """Read a DSN.

    Args:
        dsn: see above. User, password and database may be percent-encoded.
        database: wins over the DSN's; without either it is `stitchline`.
        cluster: wins over the DSN's.

    Returns:
        The address; nothing has been contacted.

    Raises:
        ValueError: an unknown scheme, a relative path, a database or cluster name with other than letters, digits and `_`, or
            several hosts without a cluster.
    """
    url = urlparse(dsn)
    if url.scheme == "chdb":
        return _embedded(url, database)
    if url.scheme not in _TLS or not url.netloc:
        raise ValueError(
            f"{dsn!r} is no ClickHouse address: give chdb:///abs/path or clickhouse://user:pass@host:8123/db"
        )
    tls = _TLS[url.scheme]
    user, _, hosts = url.netloc.rpartition("@")
    first, *others = [_place(host, tls=tls) for host in hosts.split(",")]
    options = parse_qs(url.query)
    named = _name("cluster", cluster or options.get("cluster", [""])[0])
    if others and not named:
        raise ValueError(
            f"{len(others) + 1} hosts and no cluster: add ?cluster=NAME, its name in remote_servers"
        )
    name, _, password = user.partition(":")
    return Address(
        database=_checked(database or unquote(url.path.strip("/"))),
        host=first[0],
        port=first[1],
        tls=tls,
        user=unquote(name) or "default",
        password=unquote(password),
        others=tuple(others),
        cluster=named,
        replicated=options.get("replicated", [""])[0] in ("1", "true"),
    )


def _place(text: str, *, tls: bool) -> tuple[str, int]:
    place = urlparse(f"//{text}")
    if not place.hostname:
        raise ValueError(
            f"{text!r} is no host: give host:8123, and of a cluster one per shard with commas between"
        )
    return place.hostname, place.port or (8443 if tls else 8123)


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
    return _name("database", database or DEFAULT_DATABASE)


def _name(what: str, name: str) -> str:
    if name and not _PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r}: use letters, digits and _ only, not beginning with a digit")
    return name
