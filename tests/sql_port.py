"""A collector with its SQL port open, on an embedded engine of its own."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.clickhouse_server import free_port
from tests.processes import CollectorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OPTION = "--sql-port"


@contextmanager
def started(template: Path, folder: Path, *options: str) -> Iterator[CollectorProcess]:
    """Start one in a folder, with a copy of a migrated database; ends it afterwards."""
    database = shutil.copytree(template, folder / "clickhouse", symlinks=True)
    collector = CollectorProcess(folder / "data", f"chdb://{database}", *options, _OPTION, str(free_port()))
    try:
        yield collector.start()
    finally:
        collector.kill()


def sql_port_of(collector: CollectorProcess) -> int:
    """Where its SQL port is."""
    return int(collector._options[collector._options.index(_OPTION) + 1])
