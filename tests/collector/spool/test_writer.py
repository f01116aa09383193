"""Group commit: an append is on disk when its future is done, and nothing of it is when the write failed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stitchline_collector.spool import (
    Folder,
    Segment,
    Spool,
    SpoolClosed,
    SpoolFull,
    SpoolUnavailable,
    read_lines,
)
from stitchline_collector.spool.folder import recover_segment
from stitchline_collector.spool.writer import Seal
from tests.collector.spool.full_disk import largest_file

NEVER = Seal(age_s=3600)


@asynccontextmanager
async def opened(
    path: Path, seal: Seal = NEVER, max_bytes: int = 1 << 30, backlog: Callable[[], int] = lambda: 0
) -> AsyncIterator[tuple[Spool, list[Segment]]]:
    sealed: list[Segment] = []
    folder = Folder.create(path)
    spool = Spool(folder, seal, max_bytes, sealed.append, backlog)
    spool.start()
    try:
        yield spool, sealed
    finally:
        await spool.close()
        folder.release()


def on_disk(path: Path) -> list[bytes]:
    """What recovery would find now: every line, in order."""
    return [line for file in sorted(path.rglob("*-events.*")) for line in read_lines(file.read_bytes())]


def _left(path: Path, name: str) -> list[Path]:
    return list(path.rglob(name))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 -- what is waited for happens on a thread
            await asyncio.sleep(0.005)


async def test_an_append_is_on_disk_when_its_future_is_done(tmp_path: Path) -> None:
    async with opened(tmp_path) as (spool, _):
        for i in range(20):
            await spool.append("events", b"%d\n" % i, 1)
            assert on_disk(tmp_path) == [b"%d" % n for n in range(i + 1)]


async def test_appends_that_wait_together_share_one_commit(tmp_path: Path) -> None:
    async with opened(tmp_path) as (spool, _):
        await asyncio.gather(*[spool.append("events", b"%d\n" % i, 1) for i in range(100)])

        assert spool.commits == 1
        assert spool.open_rows("events") == 100


async def test_tables_have_segments_of_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as (spool, sealed):
        await asyncio.gather(spool.append("events", b"e\n", 1), spool.append("failed", b"f\n", 1))

    assert sorted(segment.table for segment in sealed) == ["events", "failed"]


async def test_closing_seals_what_was_appended_and_refuses_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as (spool, sealed):
        done = spool.append("events", b"last\n", 1)
        await spool.close()

        assert done.done()
        assert [read_lines(segment.path.read_bytes()) for segment in sealed] == [[b"last"]]
        with pytest.raises(SpoolClosed):
            await spool.append("events", b"too late\n", 1)


async def test_a_segment_is_sealed_at_its_age_without_another_append(tmp_path: Path) -> None:
    async with opened(tmp_path, Seal(age_s=0.05)) as (spool, sealed):
        await spool.append("events", b"x\n", 1)
        await until(lambda: sealed)

        assert spool.open_rows("events") == 0


async def test_rows_that_are_sealed_are_counted_until_they_are_handed_over(tmp_path: Path) -> None:
    counted: list[int] = []
    folder = Folder.create(tmp_path)
    spool = Spool(folder, NEVER, 1 << 30, lambda _sealed: counted.append(spool.open_rows("events")))
    spool.start()
    await spool.append("events", b"x\n", 1)
    await spool.close()
    folder.release()

    assert (counted, spool.open_rows("events")) == ([1], 0)


@pytest.mark.parametrize("seal", [Seal(3600, rows=10), Seal(3600, size_bytes=1000)], ids=["rows", "bytes"])
async def test_a_segment_is_sealed_by_rows_and_by_bytes(tmp_path: Path, seal: Seal) -> None:
    async with opened(tmp_path, seal) as (spool, sealed):
        await spool.append("events", b"small\n", 1)
        assert sealed == []

        await spool.append("events", os.urandom(2000).replace(b"\n", b" ") + b"\n", 9)
        assert [segment.rows for segment in sealed] == [10]


async def test_a_segment_is_sealed_by_what_it_inflates_to(tmp_path: Path) -> None:
    async with opened(tmp_path, Seal(3600, size_bytes=10_000)) as (spool, sealed):
        await spool.append("events", b" " * 200_000 + b"\n", 1)

        assert len(sealed) == 1


async def test_behind_a_backlog_segments_grow_instead_of_piling_up(tmp_path: Path) -> None:
    async with opened(tmp_path, Seal(age_s=0.5), backlog=lambda: 5) as (spool, sealed):
        began = time.monotonic()
        await spool.append("events", b"x\n", 1)
        while time.monotonic() - began < 0.6:
            await asyncio.sleep(0.03)
            await spool.append("events", b"x\n", 1)

        assert sealed == []


async def test_a_full_spool_refuses_until_segments_are_gone(tmp_path: Path) -> None:
    async with opened(tmp_path, Seal(3600, rows=1), max_bytes=200) as (spool, sealed):
        while not spool.is_full:
            await spool.append("events", b"x\n", 1)

        with pytest.raises(SpoolFull):
            await spool.append("events", b"x\n", 1)
        with pytest.raises(SpoolFull):
            spool.check()

        spool.freed(sealed[0].size)
        await spool.append("events", b"x\n", 1)


async def test_adopted_segments_count_towards_a_full_spool(tmp_path: Path) -> None:
    async with opened(tmp_path, max_bytes=200) as (spool, _):
        spool.adopted([Segment(tmp_path / "x", 1, 500)])

        assert spool.is_full


async def test_a_cancelled_request_does_not_disturb_its_group(tmp_path: Path) -> None:
    async with opened(tmp_path) as (spool, _):
        first, second = spool.append("events", b"a\n", 1), spool.append("events", b"b\n", 1)
        first.cancel()
        await second

        assert on_disk(tmp_path) == [b"a", b"b"]


# -- a disk that refuses ---------------------------------------------------------------------------------------------


def noise(size: int) -> bytes:
    return os.urandom(size).replace(b"\n", b" ") + b"\n"


async def test_a_write_that_stops_short_acknowledges_nothing_and_leaves_no_torn_middle(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (spool, sealed):
        await spool.append("events", b"before\n", 1)
        with largest_file(500):
            with pytest.raises(SpoolUnavailable, match="File too large"):
                await spool.append("events", noise(2000), 1)
            assert spool.fault is not None
        await spool.append("events", b"after\n", 1)

        assert spool.fault is None
        assert on_disk(tmp_path) == [b"before", b"after"]
        assert [segment.rows for segment in sealed] == [1]


async def test_the_first_write_of_a_segment_may_fail_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as (spool, sealed):
        with largest_file(100):
            for _ in range(3):
                with pytest.raises(SpoolUnavailable):
                    await spool.append("events", noise(2000), 1)

        assert _left(tmp_path, "*-events.*") == []
        assert sealed == []
        assert spool.size_bytes == 0


async def test_a_spool_nobody_writes_to_finds_out_that_the_disk_is_well_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (spool, _):
        with largest_file(100), pytest.raises(SpoolUnavailable):
            await spool.append("events", noise(2000), 1)

        await until(lambda: spool.fault is None)

        assert not _left(tmp_path, "probe")


async def test_a_folder_that_vanishes_is_answered_and_not_a_crash(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)
    spool = Spool(folder, NEVER, 1 << 30, lambda _: None)
    spool.start()
    folder.path.rename(tmp_path / "away")
    with pytest.raises(SpoolUnavailable):
        await spool.append("events", b"x\n", 1)
    (tmp_path / "away").rename(folder.path)
    await spool.append("events", b"x\n", 1)
    await spool.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB; only root can mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small file system here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_full_disk_loses_nothing_acknowledged_and_is_written_again_once_there_is_space(
    small_disk: Path,
) -> None:
    acknowledged: list[bytes] = []
    async with opened(small_disk) as (spool, sealed):
        for _ in range(100):
            line = noise(8000)
            try:
                await spool.append("events", line, 1)
            except SpoolUnavailable as error:
                assert "No space left" in str(error)  # noqa: PT017
                break
            acknowledged.append(line[:-1])
        else:
            pytest.fail("the disk was never full")
        assert on_disk(small_disk) == acknowledged

        gone = sealed.pop(0)
        del acknowledged[: gone.rows]
        gone.path.unlink()
        await spool.append("events", b"again\n", 1)

        assert on_disk(small_disk) == [*acknowledged, b"again"]
    for segment in sealed:
        assert recover_segment(segment.path) == segment
