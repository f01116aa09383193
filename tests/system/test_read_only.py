"""The collector as the container and the systemd unit run it: as nobody, with one folder that it may write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import CollectorProcess

ROOT = Path(__file__).parents[2]
WRAPPER = Path(__file__).with_name("read_only_root.py")
UNIT = ROOT / "examples" / "stitchline.service"


def _can_unshare() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder that nobody reaches; pytest's own are for their owner alone, and are made so again by every other run."""
    with tempfile.TemporaryDirectory(prefix="stitchline-") as folder:
        Path(folder).chmod(0o711)
        data = Path(folder) / "data"
        data.mkdir()
        yield data


def test_a_collector_needs_no_more_than_one_folder_and_no_rights(data: Path) -> None:
    if not (sys.platform == "linux" and shutil.which("setpriv") and _can_unshare()):
        pytest.skip("needs root on Linux: makes a root that cannot be written")
    collector = CollectorProcess(
        data, f"chdb://{data}/clickhouse", program=(str(WRAPPER), str(data), "-m", "stitchline_collector")
    )
    try:
        collector.start()
        status = Path(f"/proc/{collector.pid}/status").read_text()
        assert "Uid:\t65534\t65534" in status
        assert "CapEff:\t0000000000000000" in status
        collector.send({"type": "identify", "name": "", "identifiers": {"user": "u"}}, device={"id": "d"})
        collector.sql_until("SELECT count() FROM person_events WHERE person_id != 0", [[1]])
        mounts = Path(f"/proc/{collector.pid}/mounts").read_text().splitlines()
        writable = {line.split()[1] for line in mounts if line.split()[3].split(",")[0] == "rw"}
        assert {place for place in writable if not place.startswith(("/proc", "/sys", "/dev/"))} == {
            str(data)
        }
        assert collector.terminate() == 0
    finally:
        collector.kill()
    written = {path for path in data.rglob("*") if path.is_file()}
    assert written
    assert {path.stat().st_uid for path in written} == {65534}


def test_the_systemd_unit_is_read_and_gives_little_away(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    unit = tmp_path / "stitchline.service"
    unit.write_text(UNIT.read_text().replace("/opt/stitchline/bin/stitchline", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout
