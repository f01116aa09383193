"""Frames: what is written comes back whole, and whatever is torn or damaged is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.spool import CorruptSegment, check_whole, read_lines
from stitchline_collector.spool.frames import frame, sound_prefix

_line = st.binary(max_size=60).map(lambda line: line.replace(b"\n", b" "))
_commit = st.lists(_line, min_size=1, max_size=5)
_commits = st.lists(_commit, min_size=1, max_size=5)


def written(commit: list[bytes]) -> bytes:
    return frame(b"".join(line + b"\n" for line in commit))


@given(_commits)
def test_commits_come_back_line_by_line(commits: list[list[bytes]]) -> None:
    segment = b"".join(written(commit) for commit in commits)

    assert read_lines(segment) == [line for commit in commits for line in commit]
    assert sound_prefix(segment) == (len(segment), sum(map(len, commits)))


@given(_commits, st.data())
def test_a_segment_cut_anywhere_is_found_and_read_up_to_its_last_whole_commit(
    commits: list[list[bytes]], data: st.DataObject
) -> None:
    frames = [written(commit) for commit in commits]
    segment = b"".join(frames)
    cut = data.draw(st.integers(0, len(segment)))
    whole, size = 0, 0
    while whole < len(frames) and size + len(frames[whole]) <= cut:
        size += len(frames[whole])
        whole += 1

    assert sound_prefix(segment[:cut]) == (size, sum(map(len, commits[:whole])))
    if cut != size:
        with pytest.raises(CorruptSegment):
            check_whole(segment[:cut])


@given(st.lists(_commit, min_size=1, max_size=4), st.data())
def test_a_damaged_byte_anywhere_is_found_or_changes_nothing(
    commits: list[list[bytes]], data: st.DataObject
) -> None:
    frames = [written(commit) for commit in commits]
    segment = bytearray(b"".join(frames))
    at = data.draw(st.integers(0, len(segment) - 1))
    segment[at] ^= data.draw(st.integers(1, 255))
    lines = [line for commit in commits for line in commit]

    size, rows = sound_prefix(bytes(segment))

    assert size == 0 or read_lines(bytes(segment[:size])) == lines[:rows]
    if size == len(segment):
        assert rows == len(lines)  # a bit that zstd does not use
    else:
        with pytest.raises(CorruptSegment):
            read_lines(bytes(segment))


@given(st.binary(max_size=300))
def test_bytes_that_are_no_frame_are_never_taken_for_lines(garbage: bytes) -> None:
    segment = written([b"sound"])

    assert sound_prefix(segment + b"\0" * 20) == (len(segment), 1)
    assert sound_prefix(garbage)[1] == 0


def test_a_carriage_return_does_not_end_a_line() -> None:
    assert read_lines(frame(b'{"a":\r1}\n{"b":2}\n')) == [b'{"a":\r1}', b'{"b":2}']


def test_an_empty_segment_has_no_lines() -> None:
    assert sound_prefix(b"") == (0, 0)
