"""`stitchline stitch`, where no collector runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from stitchline_collector.cli.stitch import stitch


@pytest.mark.parametrize("full", [(), ("--full",)])
def test_where_no_embedded_database_is_none_is_made(tmp_path: Path, full: tuple[str, ...]) -> None:
    data = tmp_path / "data"

    done = CliRunner().invoke(stitch, [*full, "--data", str(data)])

    assert done.exit_code == 1
    assert f"there is no embedded database at {data / 'clickhouse'}" in done.output
    assert not data.exists()
