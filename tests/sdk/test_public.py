"""The doors: what is exported, the module-level calls, the recording client."""

from __future__ import annotations

import inspect
import re
import threading
from pathlib import Path

import pytest

import stitchline
from stitchline import Client, ConfigurationError, Scope
from stitchline._settings import Settings, target
from stitchline.testing import RecordingClient
from tests.sdk.scripted_collector import ScriptedCollector

CALLS = ("track", "page", "screen", "identify", "link", "unlink", "logout", "consent")


def test_all_is_what_is_there_and_sorted() -> None:
    public = {
        name
        for name, value in vars(stitchline).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(stitchline.__all__) - {"__version__"} == public - {"annotations"}
    assert stitchline.__all__ == sorted(stitchline.__all__)


@pytest.mark.parametrize("name", stitchline.__all__)
def test_every_public_thing_is_documented(name: str) -> None:
    if not name.startswith("__"):
        assert inspect.getdoc(getattr(stitchline, name))


@pytest.mark.parametrize("name", [*CALLS, "scope", "flush", "aflush", "close", "aclose"])
def test_every_call_tells_its_arguments_and_result(name: str) -> None:
    text = inspect.getdoc(getattr(Client, name)) or ""
    for argument in inspect.signature(getattr(Client, name)).parameters:
        assert argument == "self" or re.search(rf"^ +\**{argument}:", text, re.MULTILINE), argument


def test_every_setting_of_the_client_is_documented_and_used() -> None:
    text = inspect.getdoc(Client) or ""
    source = "".join(path.read_text() for path in Path(stitchline.__file__).parent.glob("_*.py"))
    for name in inspect.signature(Client).parameters:
        assert re.search(rf"^    {name}:", text, re.MULTILINE), name
    for name in Settings.__struct_fields__:
        assert re.search(rf"settings\.{name}\b", source), f"{name} is accepted and ignored"


def test_the_defaults_are_written_once_in_agreement() -> None:
    parameters = inspect.signature(Client).parameters
    defaults = Settings(endpoint="http://x", write_key="k")
    for name in Settings.__struct_fields__:
        if name not in {"endpoint", "write_key"}:
            assert parameters[name].default == getattr(defaults, name), name


@pytest.mark.parametrize("name", CALLS)
def test_client_scope_and_module_have_the_same_calls(name: str) -> None:
    assert getattr(Client, name) is getattr(Scope, name)
    assert getattr(stitchline, name).__func__ is getattr(Client, name)


def test_module_level_calls_go_to_the_client_of_init(collector: ScriptedCollector, tmp_path: Path) -> None:
    client = stitchline.init(collector.url, "key", state_dir=tmp_path, drain_on_sigterm=False)
    assert stitchline.client() is client
    assert stitchline.track("hello", {"a": 1})
    assert stitchline.flush()
    assert stitchline.close()
    assert stitchline.client() is None
    assert collector.names() == ["hello"]


def test_a_second_init_drains_the_first(collector: ScriptedCollector, tmp_path: Path) -> None:
    for number in (1, 2):
        stitchline.init(collector.url, "key", state_dir=tmp_path, flush_interval_s=60, drain_on_sigterm=False)
        stitchline.track(f"hello {number}")
    stitchline.close()
    assert collector.names() == ["hello 1", "hello 2"]


def test_calls_before_init_warn_once_and_return_false(caplog: pytest.LogCaptureFixture) -> None:
    assert [stitchline.track("x"), stitchline.identify(user="1"), stitchline.logout()] == [
        False,
        False,
        False,
    ]
    assert caplog.text.count("before stitchline.init") <= 1


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://a.example", (False, "a.example", 80, "/v1/events")),
        ("https://a.example/", (True, "a.example", 443, "/v1/events")),
        ("https://a.example:8443/t/v1/events", (True, "a.example", 8443, "/t/v1/events")),
        ("http://[::1]:9/x", (False, "::1", 9, "/x/v1/events")),
    ],
)
def test_an_endpoint_may_be_written_as_people_do(endpoint: str, expected: tuple[bool, str, int, str]) -> None:
    made = target(endpoint)
    assert (made.secure, made.host, made.port, made.path) == expected


@pytest.mark.parametrize(
    "endpoint", ["", "a.example", "ftp://a", "http://", "http://a:x", "https://a/?key=1"]
)
def test_an_endpoint_that_cannot_work_is_refused(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="endpoint"):
        Client(endpoint, "key", state_dir=tmp_path)


def test_the_fixture_records_the_module_level_calls(stitchline_events: RecordingClient) -> None:
    stitchline.track("checkout", {"total": 3})
    assert stitchline_events.named("checkout")[0].properties == {"total": 3}
    stitchline_events.clear()
    assert stitchline_events.events == []


def test_a_recording_client_starts_no_thread_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    client = RecordingClient(device=stitchline.Device(type="phone"))
    client.identify(user="1")
    client.scope(device_id="d").track("x")
    assert client.flush()
    assert client.of_type("identify")[0].identifiers == {"user": "1"}
    assert client.close()
    assert client.track("late") is False
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stitchline")]


def test_no_file_of_the_sdk_imports_the_collector_or_an_async_library() -> None:
    forbidden = re.compile(
        r"^\s*(from|import) (stitchline_collector|aiohttp|clickhouse|chdb|requests)\b", re.MULTILINE
    )
    for path in Path(stitchline.__file__).parent.rglob("*.py"):
        assert not forbidden.search(path.read_text()), path
