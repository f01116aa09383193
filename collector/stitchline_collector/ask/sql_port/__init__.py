"""ClickHouse's HTTP protocol, read-only, in front of the embedded engine, so that an analyst's own tools connect.

Enters: requests of clickhouse-connect, curl, Grafana, DBeaver, Superset and others. Leaves: answers, headers and errors as a
ClickHouse server gives them. Guaranteed: what `Reader` guarantees, within the limits of `/v1/sql`; loopback only.
"""

from __future__ import annotations

from .http import SqlPort

__all__ = ["SqlPort"]
