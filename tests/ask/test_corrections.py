"""An operator's word: recorded as an event, durable, and taken back by another."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.processes import KEY
from tests.system.ledger import wait_until_loaded
from tests.system.senders import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processes import CollectorProcess

_WITHIN_S = 60
KEYS = json.dumps(
    [{"key": f"{kind}-key-1", "kind": kind} for kind in ("write", "read", "server")]
    + [{"key": KEY, "kind": "admin"}, {"key": "write-key-2", "source": "web"}]
)


def say(collector: CollectorProcess, verdict: str, **body: Any) -> tuple[int, dict[str, Any]]:
    status, _, answer = collector.request(
        "POST", f"/v1/identity/{verdict}", json.dumps({"reason": "because", **body}).encode()
    )
    return status, json.loads(answer)


def cli(collector: CollectorProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stitchline_collector", *arguments, "--url", collector.url, "--key", KEY]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


def explained(collector: CollectorProcess, a: str, b: str) -> dict[str, Any]:
    status, _, answer = collector.request("GET", f"/v1/identity/why?a={a}&b={b}")
    return {"one_person": None, "status": status} | dict(json.loads(answer))


def wait_until_one_person(collector: CollectorProcess, a: str, b: str, *, one: bool) -> dict[str, Any]:
    deadline = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline:
        answer = explained(collector, a, b)
        if answer["one_person"] is one and (answer["steps"] or not one):  # evidence is written after persons
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{a} and {b}: {answer}\n{collector.log()}")


def signed_in(collector: CollectorProcess, user: str, device: str, **more: Any) -> None:
    collector.send(
        event(type="identify", identifiers={"user": user, **more}, device={"id": device, "type": "phone"})
    )
    wait_until_loaded(collector)


def test_unlink_parts_relink_joins_and_each_is_an_event_with_its_reason(
    collector: Callable[..., CollectorProcess],
) -> None:
    process = collector()
    signed_in(process, "42", "phone-1", email="ada@example.com")
    wait_until_one_person(process, "user:42", "device:phone-1", one=True)

    done = cli(process, "unlink", "user:42", "device:phone-1", "--reason", "a colleague's phone")
    assert done.returncode == 0, done.stderr
    assert "stitchline relink user:42 device:phone-1" in done.stdout
    parted = wait_until_one_person(process, "user:42", "device:phone-1", one=False)
    assert [one["reason"] for one in parted["unlinked"]] == ["a colleague's phone"]
    printed = " ".join(cli(process, "why", "user:42", "device:phone-1").stdout.split())
    assert "a colleague's phone" in printed
    assert "refused (unlinked): an operator said" in printed.replace(" x ", " ")

    assert cli(process, "relink", "device:phone-1", "user:42", "--reason", "his after all").returncode == 0
    wait_until_one_person(process, "user:42", "device:phone-1", one=True)
    assert process.sql(
        "SELECT toString(type), toString(name), toString(properties.reason), toString(source), by_server, identifiers['user'],"
        " linked['device'] FROM events WHERE source = 'operator' ORDER BY occurred_at"
    ) == [
        ["unlink", "unlink", "a colleague's phone", "operator", True, "42", "phone-1"],
        ["unlink", "relink", "his after all", "operator", True, "42", "phone-1"],
    ]


def test_two_logins_are_merged_only_when_that_is_confirmed(
    collector: Callable[..., CollectorProcess],
) -> None:
    process = collector()
    signed_in(process, "42", "phone-1")
    signed_in(process, "43", "phone-2")
    asked = cli(process, "link", "user:42", "user:43", "--reason", "twice")
    assert asked.returncode != 0
    assert "two logins" in asked.stderr
    done = cli(process, "link", "user:42", "user:43", "--reason", "twice", "--yes", "--json")
    assert json.loads(done.stdout)["verdict"] == "link"
    answer = wait_until_one_person(process, "device:phone-1", "device:phone-2", one=True)
    merge = next(step for step in answer["steps"] if step["kind"] == "merge")
    assert (merge["event"]["source"], merge["event"]["reason"]) == ("operator", "twice")


def test_an_address_of_which_only_the_hash_is_known_can_be_unlinked(
    collector: Callable[..., CollectorProcess],
) -> None:
    # Consent is required of events, not of an operator's word.
    process = collector(env={"STITCHLINE_REQUIRE_CONSENT": "true"})
    consenting = event(
        type="identify",
        identifiers={"user": "42", "email": "ada@example.com"},
        device={"id": "phone-1"},
        consent={"analytics": True},
    )
    process.send(consenting)
    wait_until_loaded(process)
    wait_until_one_person(process, "user:42", "email:ada@example.com", one=True)
    ((digest,),) = process.sql("SELECT value FROM identifiers WHERE namespace = 'email'")
    assert say(process, "unlink", a=f"email:{digest}", b="user:42")[0] == 200
    wait_until_one_person(process, "user:42", "email:ada@example.com", one=False)


def test_a_word_survives_kill_9(collector: Callable[..., CollectorProcess]) -> None:
    process = collector()
    signed_in(process, "42", "phone-1")
    wait_until_one_person(process, "user:42", "device:phone-1", one=True)
    assert say(process, "unlink", a="user:42", b="device:phone-1")[0] == 200
    process.restart()
    wait_until_one_person(process, "user:42", "device:phone-1", one=False)


def test_a_word_needs_an_admin_key_two_identifiers_and_a_reason(
    collector: Callable[..., CollectorProcess],
) -> None:
    process = collector(env={"STITCHLINE_KEYS": KEYS})
    good = {"a": "user:42", "b": "device:phone-1", "reason": "because"}
    for key in ("write-key-1", "read-key-1", "server-key-1", "unknown"):
        answer = process.request(
            "POST", "/v1/identity/unlink", json.dumps(good).encode(), {"Authorization": f"Bearer {key}"}
        )
        assert answer[0] == 401, key
    for wrong in (
        {"reason": " "},
        {"reason": "x" * 1001},
        {"a": "user"},
        {"a": "email:nonsense"},
        {"a": "user:null"},
        {"a": "person:1"},
        {"b": "user:42"},
        {"more": 1},
    ):
        status, told = say(process, "unlink", **{**good, **wrong})
        assert status == 400, wrong
        assert told["error"]
        assert told["hint"]
