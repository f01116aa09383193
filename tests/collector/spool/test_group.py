"""Processes that share the work on their spool folders."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stitchline_collector.spool import Folder, adopt
from stitchline_collector.spool.folder import LOCK, sealed_segments
from stitchline_collector.spool.frames import frame
from stitchline_collector.spool.group import ALONE, LOCK_BYTES, group_of, lives, others_live, take
from tests.collector.spool.full_disk import largest_file

# A process that holds a group, and another of the group that has died and left a segment and an open one.
_GROUP = """
import os, sys
from pathlib import Path
from stitchline_collector.spool import Folder
from stitchline_collector.spool.frames import frame
from stitchline_collector.spool.group import found
spool = Path(sys.argv[1])
group = found(spool)
if os.fork() == 0:
    folder = Folder.create(spool, group)
    (folder.path / "0000000001-events.sealed").write_bytes(frame(b"[1]\\n[2]\\n"))
    (folder.path / "0000000002-events.open").write_bytes(frame(b"[3]\\n"))
    os._exit(0)
os.wait()
print(group, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def group(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _GROUP, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdin
    yield int(process.stdout.readline()), process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_nobody_outside_adopts_a_folder_of_a_group_that_lives(
    tmp_path: Path, group: tuple[int, subprocess.Popen[str]]
) -> None:
    number, process = group
    assert lives(tmp_path, number)
    assert others_live(tmp_path, ALONE)
    assert not others_live(tmp_path, number)

    assert adopt(tmp_path) == []
    assert adopt(tmp_path, number + 2) == []
    process.kill()
    process.wait()

    ((_, segments),) = adopt(tmp_path)
    assert [segment.rows for segment in segments] == [2, 1]
    assert not others_live(tmp_path, ALONE)
    assert list(tmp_path.glob(".group-*")) == []


def test_a_group_adopts_what_its_dead_left_but_for_what_is_on_its_way(
    tmp_path: Path, group: tuple[int, subprocess.Popen[str]]
) -> None:
    number, _ = group
    (path,) = tmp_path.glob("[!.]*")
    assert group_of(path / LOCK) == number
    (sealed,) = sealed_segments(path, ())

    ((_, segments),) = adopt(tmp_path, number, {sealed.token})

    assert [(segment.rows, segment.table) for segment in segments] == [(1, "events")]
    assert sealed_segments(path, {sealed.token, segments[0].token}) == []
    assert sealed.path.read_bytes() == frame(b"[1]\n[2]\n")


def test_a_disk_with_room_for_a_part_of_the_lock_has_no_folder_of_the_group(tmp_path: Path) -> None:
    with largest_file(LOCK_BYTES // 2), pytest.raises(OSError, match="too large"):
        Folder.create(tmp_path, 7)
    assert list(tmp_path.iterdir()) == []

    alone = Folder.create(tmp_path)
    with largest_file(LOCK_BYTES // 2), pytest.raises(OSError, match="too large"):
        take(alone.path / LOCK, 7)
    assert group_of(alone.path / LOCK) == ALONE

    take(alone.path / LOCK, 7)
    assert group_of(alone.path / LOCK) == 7
    assert (alone.path / LOCK).stat().st_size == LOCK_BYTES
    alone.release()
