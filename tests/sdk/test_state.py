"""What a device remembers between runs."""

from __future__ import annotations

import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stitchline._state import RESERVED_BLOCK, Counter, persistent_device_id
from tests.sdk.conftest import MakeClient


def test_the_device_id_is_made_once_and_private(tmp_path: Path) -> None:
    folder = str(tmp_path / "state")
    first = persistent_device_id(folder)
    assert persistent_device_id(folder) == first
    assert stat.S_IMODE(Path(folder, "device_id").stat().st_mode) == 0o600


def test_clients_that_start_at_once_agree_on_the_id(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: persistent_device_id(str(tmp_path)), range(4)))
    kept = persistent_device_id(str(tmp_path))
    assert made.count(kept) >= 1


@pytest.mark.parametrize("damage", [b"", b"\x00\xff", b"x" * 500])
def test_a_damaged_id_is_replaced(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "device_id").write_bytes(damage)
    made = persistent_device_id(str(tmp_path))
    assert len(made) == 36
    assert persistent_device_id(str(tmp_path)) == made


def test_a_folder_that_cannot_be_written_costs_a_warning_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert len(persistent_device_id(f"{blocked}/state")) == 36
    assert "set state_dir" in caplog.text


def test_a_clean_close_leaves_no_gap(tmp_path: Path) -> None:
    for begin in (1, 4):
        counter = Counter(str(tmp_path), "d")
        assert [counter.next() for _ in range(3)] == [begin, begin + 1, begin + 2]
        counter.reserve()
        counter.close()


def test_a_crash_skips_ahead_and_never_gives_a_number_twice(tmp_path: Path) -> None:
    crashed = Counter(str(tmp_path), "d")
    used = [crashed.next() for _ in range(3)]
    crashed.reserve()
    crashed._abandon()  # what kill -9 leaves: the lock is free, the exact value is not written
    after = Counter(str(tmp_path), "d").next()
    assert used[-1] < after <= used[-1] + RESERVED_BLOCK + 1


def test_a_second_holder_does_not_count(tmp_path: Path) -> None:
    first, second = Counter(str(tmp_path), "d"), Counter(str(tmp_path), "d")
    assert (first.next(), second.next(), first.next()) == (1, 0, 2)
    first.close()


def test_each_device_has_its_own_counter(tmp_path: Path) -> None:
    first, second = Counter(str(tmp_path), "d/1"), Counter(str(tmp_path), "d/2")
    assert (first.next(), second.next()) == (1, 1)
    first.close()
    second.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the Linux default")
def test_the_folder_follows_the_xdg_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_client: MakeClient
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    client = make_client(state_dir=None)
    assert (tmp_path / "xdg/stitchline/device_id").read_text().strip() == client.device.id
