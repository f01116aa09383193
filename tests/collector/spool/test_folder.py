"""Spool folders: one owner at a time, and recovery that loses no acknowledged commit and invents none."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
import threading
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stitchline_collector.spool import Folder, adopt, read_lines
from stitchline_collector.spool.folder import recover_segment
from stitchline_collector.spool.frames import frame
from stitchline_collector.spool.segment import segment_path
from tests.collector.spool.full_disk import largest_file

COMMITS = [[b"a1", b"a2"], [b"b1"], [b"c1", b"c2", b"c3"]]


def written(commit: list[bytes]) -> bytes:
    return frame(b"".join(line + b"\n" for line in commit))


def lines_of(commits: list[list[bytes]]) -> list[bytes]:
    return [line for commit in commits for line in commit]


def whole_commits(commits: list[list[bytes]], cut: int) -> list[list[bytes]]:
    size, whole = 0, []
    for commit in commits:
        size += len(written(commit))
        if size > cut:
            break
        whole.append(commit)
    return whole


def recovered_lines(folder: Path, data: bytes, name: str = "0000000001-events.open") -> list[bytes]:
    path = folder / name
    path.write_bytes(data)
    segment = recover_segment(path)
    if segment is None:
        assert not path.exists()
        return []
    lines = read_lines(segment.path.read_bytes())
    assert (segment.rows, segment.size) == (len(lines), segment.path.stat().st_size)
    segment.path.unlink()
    return lines


def test_recovery_at_every_possible_cut_keeps_exactly_the_whole_commits(tmp_path: Path) -> None:
    data = b"".join(written(commit) for commit in COMMITS)

    for cut in range(len(data) + 1):
        assert recovered_lines(tmp_path, data[:cut]) == lines_of(whole_commits(COMMITS, cut)), cut


def test_recovery_at_every_cut_that_a_power_loss_filled_with_zeros(tmp_path: Path) -> None:
    data = b"".join(written(commit) for commit in COMMITS)

    for cut in range(len(data)):
        zeros = bytes(len(data) - cut)
        kept = recovered_lines(tmp_path, data[:cut] + zeros)
        # A cut inside a commit's own last zeros leaves that commit whole.
        assert kept in (
            lines_of(whole_commits(COMMITS, cut)),
            lines_of(COMMITS) if data[:cut] + zeros == data else None,
        ), cut


@settings(deadline=None)
@given(
    st.lists(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), min_size=1), max_size=5),
    st.data(),
)
def test_recovery_of_any_segment_cut_anywhere(commits: list[list[bytes]], data: st.DataObject) -> None:
    segment = b"".join(written(commit) for commit in commits)
    cut = data.draw(st.integers(0, len(segment)))

    with tempfile.TemporaryDirectory() as folder:
        assert recovered_lines(Path(folder), segment[:cut]) == lines_of(whole_commits(commits, cut))


def test_recovery_twice_is_recovery_once(tmp_path: Path) -> None:
    path = tmp_path / "0000000001-events.open"
    path.write_bytes(written([b"a"]) + written([b"b"])[:-3])

    first = recover_segment(path)
    assert first is not None
    assert recover_segment(first.path) == first


def damaged_in(number: int) -> bytes:
    """A segment of COMMITS of which one has a bit turned over, in its checksum."""
    data = bytearray(b"".join(written(commit) for commit in COMMITS))
    data[sum(len(written(commit)) for commit in COMMITS[: number + 1]) - 1] ^= 1
    return bytes(data)


@pytest.mark.parametrize("state", ["sealed", "split", "open"])
def test_damage_takes_only_the_commit_it_hit_and_its_bytes_are_kept_for_a_person(
    tmp_path: Path, state: str
) -> None:
    kept = recovered_lines(tmp_path, damaged_in(1), f"0000000001-events.{state}")

    assert kept == [*COMMITS[0], *COMMITS[2]]
    (corrupt,) = tmp_path.iterdir()
    assert corrupt.name == "0000000001-events.corrupt"
    assert len(corrupt.read_bytes()) == len(written(COMMITS[1]))


def test_the_last_commit_of_an_open_segment_may_have_been_acknowledged_if_it_is_complete(
    tmp_path: Path,
) -> None:
    assert recovered_lines(tmp_path, damaged_in(2)) == lines_of(COMMITS[:2])
    assert len((tmp_path / "0000000001-events.corrupt").read_bytes()) == len(written(COMMITS[2]))


def test_a_commit_whose_head_is_damaged_hides_those_behind_it_but_their_bytes_are_kept(
    tmp_path: Path,
) -> None:
    data = bytearray(b"".join(written(commit) for commit in COMMITS))
    second = len(written(COMMITS[0]))
    data[second] ^= 1

    assert recovered_lines(tmp_path, bytes(data)) == COMMITS[0]
    assert (tmp_path / "0000000001-events.corrupt").read_bytes() == bytes(data[second:])


def test_damage_is_told_and_a_torn_end_is_not(tmp_path: Path) -> None:
    told: list[str] = []
    for name, data in (
        ("0000000001-events.sealed", damaged_in(0)),
        ("0000000002-events.open", damaged_in(0)),
        ("0000000003-events.sealed", damaged_in(1)[:-1]),
        ("0000000004-events.open", damaged_in(2)[:-3]),
    ):
        (tmp_path / name).write_bytes(data)
        recover_segment(tmp_path / name, lambda name=name: told.append(name[:10]))  # type: ignore[misc]

    assert told == ["0000000001", "0000000002", "0000000003"]


def test_damage_twice_keeps_both_parts(tmp_path: Path) -> None:
    path = tmp_path / "0000000001-events.sealed"
    sizes = []
    for _ in range(2):
        path.write_bytes(damaged_in(1))
        recover_segment(path)
        sizes.append((tmp_path / "0000000001-events.corrupt").stat().st_size)

    assert sizes == [len(written(COMMITS[1])), 2 * len(written(COMMITS[1]))]


def test_a_full_disk_leaves_a_damaged_segment_as_it_was_and_lets_the_rest_be_adopted(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)
    damaged = folder.path / "0000000001-events.sealed"
    damaged.write_bytes(damaged_in(1))
    segment_path(folder.path, 2, "events").write_bytes(written([b"x"]))
    folder.release()

    with largest_file(3):
        ((adopted, segments),) = adopt(tmp_path)

    assert damaged.read_bytes() == damaged_in(1)
    assert [segment.rows for segment in segments] == [5, 1]
    assert not damaged.with_suffix(".corrupt").exists()
    mended = recover_segment(segments[0].path)
    assert mended is not None
    assert mended.rows == 5
    adopted.release()


def test_a_recovered_segment_keeps_the_token_under_which_it_may_have_been_sent(tmp_path: Path) -> None:
    path = segment_path(tmp_path, 7, "events")
    path.write_bytes(written([b"a"]))

    as_open = recover_segment(path)
    assert as_open is not None
    as_sealed = recover_segment(as_open.path)
    assert as_sealed is not None
    assert as_open.token == as_sealed.token == f"{tmp_path.name}/0000000007-events"
    assert as_open.table == "events"


# -- owners ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_not_adopted_while_its_owner_lives(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)

    assert adopt(tmp_path) == []
    folder.release()
    assert [taken.path for taken, _ in adopt(tmp_path)] == []  # it was empty, and is gone
    assert not folder.path.exists()


def _hold(spool: str, made: Event, end: Event) -> None:
    folder = Folder.create(Path(spool))
    segment_path(folder.path, 1, "events").write_bytes(written([b"orphan"]))
    made.set()
    end.wait(60)


def test_another_process_adopts_a_folder_once_its_owner_is_dead(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    made, end = context.Event(), context.Event()
    owner = context.Process(target=_hold, args=(str(tmp_path), made, end))
    owner.start()
    try:
        assert made.wait(60)
        assert adopt(tmp_path) == []
    finally:
        owner.kill()
        owner.join()

    ((folder, segments),) = adopt(tmp_path)

    assert [read_lines(segment.path.read_bytes()) for segment in segments] == [[b"orphan"]]
    assert adopt(tmp_path) == []  # it has an owner again
    segments[0].path.unlink()
    assert folder.remove_if_empty()
    assert list(tmp_path.iterdir()) == []


def test_segments_are_adopted_in_the_order_they_were_written(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)
    for number in (2, 10, 1):
        segment_path(folder.path, number, "events").write_bytes(written([b"%d" % number]))
    folder.release()

    ((_, segments),) = adopt(tmp_path)

    assert [segment.path.name[:10] for segment in segments] == ["0000000001", "0000000002", "0000000010"]


def test_a_folder_in_which_something_is_left_is_not_removed(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)
    (folder.path / "0000000001-events.corrupt").write_bytes(b"for a person")

    assert not folder.remove_if_empty()
    assert folder.path.exists()


def test_many_processes_starting_and_ending_at_once_never_break_each_other(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from stitchline_collector.spool import Folder, adopt\n"
        "for _ in range(60):\n"
        "    mine = Folder.create(Path(sys.argv[1]))\n"
        "    for folder, _ in adopt(Path(sys.argv[1])): folder.release()\n"
        "    mine.release()\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in running]

    assert errors == ["", "", ""]


def test_threads_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    orphan = Folder.create(tmp_path)
    segment_path(orphan.path, 1, "events").write_bytes(written([b"x"]))
    orphan.release()
    taken: list[Folder] = []
    barrier = threading.Barrier(4)

    def race() -> None:
        barrier.wait()
        taken.extend(folder for folder, _ in adopt(tmp_path))

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [folder.path for folder in taken] == [orphan.path]


def test_a_spool_that_does_not_exist_yet_has_nothing_to_adopt(tmp_path: Path) -> None:
    assert adopt(tmp_path / "spool") == []


def test_a_spool_that_cannot_be_written_is_an_error_at_start(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file stands where the folder should be")

    with pytest.raises(OSError, match=r"spool"):
        Folder.create(tmp_path / "spool")
