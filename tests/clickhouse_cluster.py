"""A real cluster of two shards for the tests: two servers that know each other.

In: an empty folder. Out: two running servers and one address for both. Guaranteed: what `ClickHouseServer` guarantees for each.
Missing: ON CLUSTER and replicas, as on one server. With a keeper, tables of replicas can be made and read, but not written: this
form of ClickHouse never tells a table at which address its replicas find it (https://github.com/ClickHouse/ClickHouse/issues/78632).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tests.clickhouse_server import ClickHouseServer, free_port

if TYPE_CHECKING:
    from pathlib import Path

NAME = "pair"
# ClickHouse's own, inside each server's process, for its tests.
_KEEPER = (
    "<zookeeper><implementation>testkeeper</implementation></zookeeper>"
    "<macros><shard>1</shard><replica>one</replica></macros>"
)


class ClickHouseCluster:
    """Two shards.

    Args:
        path: an empty folder.
        has_keeper: each server has one of its own, and the macros of a replica.

    Attributes:
        shards: the servers; the first is home to what is not sharded.
    """

    def __init__(self, path: Path, *, has_keeper: bool = False) -> None:
        self._path = path
        self._beside = _KEEPER if has_keeper else ""
        config = path / "remote_servers.xml"
        self.shards = [
            ClickHouseServer(path / f"shard-{number}", config, free_port(), free_port()) for number in (1, 2)
        ]

    def dsn(self, database: str = "stitchline") -> str:
        """Return the address of one database on it."""
        hosts = ",".join(f"127.0.0.1:{shard.http_port}" for shard in self.shards)
        return f"clickhouse://{hosts}/{database}?cluster={NAME}"

    def start(self) -> Self:
        """Start both and wait until they answer."""
        self._path.mkdir(parents=True, exist_ok=True)
        (self._path / "remote_servers.xml").write_text(
            remote_servers([one.tcp_port for one in self.shards], self._beside)
        )
        for shard in self.shards:
            shard.start()
        return self

    def stop(self) -> None:
        """End both."""
        for shard in self.shards:
            shard.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def remote_servers(tcp_ports: list[int], beside: str = "") -> str:
    """Return what each server must be told of the others, and what else; docs/operations.md has the same for an operator."""
    shards = [
        f"<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>{port}</port></replica></shard>"
        for port in tcp_ports
    ]
    return (
        f"<clickhouse><remote_servers><{NAME}>{''.join(shards)}</{NAME}><{NAME}_home>{shards[0]}</{NAME}_home>"
        f"</remote_servers>{beside}</clickhouse>\n"
    )
