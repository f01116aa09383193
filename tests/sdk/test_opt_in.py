"""`require_consent`: nothing is made, stored or sent without consent, and a withdrawal leaves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stitchline import ConfigurationError
from stitchline.testing import RecordingClient
from tests.sdk.conftest import MakeClient
from tests.sdk.scripted_collector import ScriptedCollector

PHONE = {"type": "phone"}
YES = {"analytics": True}
NO = {"analytics": False}


def _kept(folder: Path) -> list[str]:
    """What is stored in a folder; an empty file, such as a lock, tells nothing."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    return sorted(str(path.relative_to(folder)) for path in files)


def _events(collector: ScriptedCollector) -> list[dict[str, Any]]:
    """Every event that came, with its batch's device."""
    batches = [request.batch for request in collector.requests]
    return [{"device": batch["device"], **event} for batch in batches for event in batch["events"]]


def test_before_consent_nothing_is_stored_or_sent(
    make_client: MakeClient, collector: ScriptedCollector, tmp_path: Path
) -> None:
    client = make_client(device=PHONE, require_consent=True, offline_dir=tmp_path / "offline")

    said = [
        client.track("one"),
        client.identify(user="42"),
        client.link({"email": "ada@example.org"}),
        client.logout(),
        client.consent({"marketing": True}),
    ]

    assert said == [False] * 5
    assert client.device.id == ""
    assert client.flush(1.0)
    assert client.close(1.0)
    assert client.losses == {}
    assert list(tmp_path.iterdir()) == []
    assert collector.requests == []


def test_consent_is_the_first_event_and_makes_the_device(
    make_client: MakeClient, collector: ScriptedCollector
) -> None:
    client = make_client(device=PHONE, require_consent=True)
    client.track("unsaid")
    client.consent({"marketing": False})

    assert client.consent(YES)
    assert client.track("said")
    assert client.flush()

    events = _events(collector)
    assert [(event["type"], event["seq"]) for event in events] == [("consent", 1), ("track", 2)]
    assert events[0]["consent"] == {"marketing": False, "analytics": True}
    assert {event["device"]["id"] for event in events} == {client.device.id}


def test_a_withdrawal_is_the_last_event_and_what_was_stored_goes(
    make_client: MakeClient, collector: ScriptedCollector, tmp_path: Path
) -> None:
    client = make_client(device=PHONE, require_consent=True, consent=YES, offline_dir=tmp_path / "offline")
    client.identify(user="42")
    assert client.flush()
    assert any(name.startswith("state/") for name in _kept(tmp_path))

    assert client.consent(NO)
    assert not client.track("unsaid")
    assert client.close(10.0)

    events = _events(collector)
    assert [event["type"] for event in events] == ["identify", "consent"]
    assert events[-1]["consent"] == NO
    assert _kept(tmp_path) == []
    assert not list((tmp_path / "state").glob("seq-*"))
    assert not (tmp_path / "offline" / "withdrawn").exists()


def test_after_a_withdrawal_comes_another_device_that_counts_anew(
    make_client: MakeClient, collector: ScriptedCollector
) -> None:
    client = make_client(device=PHONE, require_consent=True, consent=YES)
    client.identify(user="42")
    before = client.device.id
    client.consent(NO)
    assert client.device.id == ""

    client.consent(YES)
    client.track("again")
    assert client.flush()

    again = [event for event in _events(collector) if event["device"]["id"] == client.device.id]
    assert client.device.id not in {"", before}
    assert [(event["type"], event["seq"]) for event in again] == [("consent", 1), ("track", 2)]
    assert "identifiers" not in again[1]


def test_the_device_is_the_same_after_a_restart_with_consent(make_client: MakeClient) -> None:
    first = make_client(device=PHONE, require_consent=True)
    first.consent(YES)
    first.close()

    second = make_client(device=PHONE, require_consent=True)
    assert second.device.id == ""
    second.consent(YES)

    assert second.device.id == first.device.id


def test_a_withdrawal_offline_is_sent_by_the_next_process_and_leaves_nothing(
    make_client: MakeClient, collector: ScriptedCollector, tmp_path: Path
) -> None:
    nobody: dict[str, Any] = {"endpoint": "http://127.0.0.1:9", "shutdown_timeout_s": 0.5}
    settings: dict[str, Any] = {"device": PHONE, "require_consent": True, "offline_dir": tmp_path / "offline"}
    first = make_client(**settings, **nobody)
    first.consent(YES)
    first.track("offline")
    first.consent(NO)
    first.close(1.0)
    assert any(name.endswith(".seg") for name in _kept(tmp_path))

    second = make_client(**settings)
    assert second.close(10.0)

    assert [event["type"] for event in _events(collector)] == ["consent", "track", "consent"]
    assert _kept(tmp_path) == []
    assert not (tmp_path / "offline" / "withdrawn").exists()


def test_what_waits_with_consent_is_not_sent_before_it_is_given_again(
    make_client: MakeClient, collector: ScriptedCollector, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"device": PHONE, "require_consent": True, "offline_dir": tmp_path / "offline"}
    first = make_client(**settings, endpoint="http://127.0.0.1:9")
    first.consent(YES)
    first.close(0.5)

    second = make_client(**settings)
    assert second.flush(0.2)
    assert collector.requests == []
    second.consent(YES)
    assert second.flush()

    assert [event["type"] for event in _events(collector)] == ["consent", "consent"]


def test_on_a_kiosk_consent_ends_with_the_session() -> None:
    client = RecordingClient(device={"type": "kiosk"}, require_consent=True)
    client.consent(YES)
    client.track("one")
    client.logout()
    client.track("unsaid")

    assert [event.type for event in client.events] == ["consent", "track", "logout"]


def test_on_a_kiosk_consent_ends_with_silence() -> None:
    now = [1_000_000_000_000_000_000]
    client = RecordingClient(device={"type": "kiosk"}, require_consent=True, clock=lambda: now[0])
    client.consent(YES)
    now[0] += 121 * 1_000_000_000
    client.track("unsaid")
    client.consent(YES)

    assert [event.type for event in client.events] == ["consent", "consent"]
    assert client.events[0].session_id != client.events[1].session_id


def test_losses_are_counted_over_all_devices(make_client: MakeClient) -> None:
    client = make_client(device=PHONE, require_consent=True, consent=YES)
    client.track("")
    client.consent(NO)
    client.consent(YES)
    client.track("")

    assert client.losses == {"invalid": 2}


def test_it_is_not_for_a_server() -> None:
    with pytest.raises(ConfigurationError, match="require_consent"):
        RecordingClient(require_consent=True)


def test_a_scope_says_nothing_and_that_is_counted(make_client: MakeClient) -> None:
    client = make_client(device=PHONE, require_consent=True, consent=YES)

    scope = client.scope(user="43")

    assert not scope.track("unsaid")
    assert not scope.consent(NO)
    assert client.track("the person of the device goes on")
    assert client.losses == {"invalid": 1}
