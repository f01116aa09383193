"""The keys that `stitchline keys` makes: what is on disk, and what a running collector makes of it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stitchline_collector.receive import Keys
from stitchline_collector.receive.key_file import KeyFile, KeyFileError, in_force
from stitchline_collector.receive.keys import digest
from tests.processes import CollectorProcess

EVENT = b'{"events":[{"type":"track","name":"x"}]}'


def stitchline(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stitchline_collector", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def made(data: Path, *arguments: str) -> dict[str, str]:
    found = stitchline("keys", "create", "--json", "--data", str(data), *arguments)
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout))


def status_of(collector: CollectorProcess, key: str, path: str, body: bytes) -> int:
    return collector.request("POST", path, body, {"Authorization": f"Bearer {key}"})[0]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"not within 60 s: {what}"
        time.sleep(0.05)


def test_a_running_collector_takes_made_keys_over_and_refuses_revoked_ones(
    collector: Callable[..., CollectorProcess],
) -> None:
    running = collector()
    assert status_of(running, "anything", "/v1/events", EVENT) == 200  # development mode
    write = made(running.data, "--kind", "write", "--source", "web")
    read = made(running.data, "--kind", "read")["key"]
    admin = made(running.data, "--kind", "admin")["key"]

    wait_for(
        lambda: status_of(running, admin, "/v1/identity/rebuild", b"") == 202, "the last key is taken over"
    )

    assert status_of(running, "anything", "/v1/events", EVENT) == 401
    may = [
        [
            status_of(running, key, path, body)
            for path, body in (("/v1/events", EVENT), ("/v1/sql", b"SELECT 1"))
        ]
        for key in (write["key"], read, admin)
    ]
    assert may == [[200, 401], [401, 200], [401, 200]]
    assert status_of(running, read, "/v1/identity/rebuild", b"") == 401

    assert stitchline("keys", "revoke", write["id"], "--data", str(running.data)).returncode == 0
    wait_for(lambda: status_of(running, write["key"], "/v1/events", EVENT) == 401, "the key is refused")
    running.terminate()
    running.start()
    assert status_of(running, write["key"], "/v1/events", EVENT) == 401
    assert status_of(running, read, "/v1/sql", b"SELECT 1") == 200


def test_a_damaged_file_changes_nothing_in_a_running_collector(
    collector: Callable[..., CollectorProcess],
) -> None:
    running = collector(start=False)
    key = made(running.data, "--kind", "write", "--source", "web")["key"]
    running.start()
    file = running.data / "keys.json"

    file.write_bytes(b"[{")
    wait_for(lambda: "the keys stay as they were" in running.log(), "the damage is noticed")
    file.unlink()
    wait_for(lambda: "keys.json is gone" in running.log(), "the loss is noticed")

    assert status_of(running, key, "/v1/events", EVENT) == 200
    assert status_of(running, "anything", "/v1/events", EVENT) == 401


def test_configured_keys_hold_beside_made_ones(collector: Callable[..., CollectorProcess]) -> None:
    running = collector(start=False, env={"STITCHLINE_KEYS": '[{"key": "configured-1", "source": "app"}]'})
    key = made(running.data, "--kind", "write", "--source", "web")["key"]
    running.start()

    assert [status_of(running, one, "/v1/events", EVENT) for one in ("configured-1", key, "other")] == [
        200,
        200,
        401,
    ]


def test_neither_file_nor_list_tells_a_key(tmp_path: Path) -> None:
    key = made(tmp_path, "--kind", "write", "--source", "web", "--origin", "https://shop.example")

    listed = stitchline("keys", "list", "--json", "--data", str(tmp_path))

    secret = key["key"].partition("-")[2]
    assert len(secret) >= 43  # 256 bits in base64
    assert secret not in (tmp_path / "keys.json").read_text()
    assert json.loads(listed.stdout)[0] == {name: value for name, value in key.items() if name != "key"}
    assert key["id"] in stitchline("keys", "list", "--data", str(tmp_path)).stdout
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_the_list_says_how_many_keys_stand_in_the_settings(tmp_path: Path) -> None:
    made(tmp_path, "--kind", "read")
    settings = tmp_path / "stitchline.toml"
    settings.write_text('[[keys]]\nkey = "configured-1"\nsource = "app"\n')

    listed = stitchline("keys", "list", "--json", "--config", str(settings), "--data", str(tmp_path))

    assert [key["kind"] for key in json.loads(listed.stdout)] == ["read"]
    assert listed.stderr == "1 more in the settings, which are changed there\n"
    assert stitchline("keys", "list", "--data", str(tmp_path)).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "--kind", "write"), "--source"),
        (("create", "--kind", "read", "--source", "web"), "not for a read key"),
        (("create", "--kind", "server", "--source", "a", "--origin", "https://a.example"), "no page"),
        (("create", "--kind", "write", "--source", "a", "--origin", "a.example"), "https://shop.example"),
        (("revoke", "123456789abc"), "has no key 123456789abc"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    found = stitchline("keys", *arguments, "--data", str(tmp_path))

    assert found.returncode != 0
    assert words in found.stderr
    assert not (tmp_path / "keys.json").exists()


def test_commands_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    threads = [threading.Thread(target=file.create, args=("write", f"source-{i}")) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {key.source for key in file.read() or ()} == {f"source-{i}" for i in range(20)}


def test_a_key_that_stays_keeps_what_is_left_of_its_rate(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    key, _ = file.create("write", "web", max_events_per_s=1)
    keys = Keys((), in_force(file.read() or ()))
    grant = keys.grant(key, "write")
    assert grant is not None
    grant.spend(1000)

    file.create("read")
    keys.change(in_force(file.read() or ()))

    again = keys.grant(key, "write")
    assert again is not None
    assert again.wait_s() > 900


def test_a_file_of_something_else_says_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('[{"id": 1}]')

    with pytest.raises(KeyFileError, match=r"keys\.json.*id"):
        KeyFile(tmp_path).read()


def test_a_key_of_any_characters_can_be_looked_up() -> None:
    assert Keys((), [(digest("\udcff"), Keys(())._anyone.terms)]).grant("\udcff", "write") is not None
