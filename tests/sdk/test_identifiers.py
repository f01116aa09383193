"""Who an event is about: one spelling, one hash, and nobody where nobody is named."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline._contacts import normal_email, normal_phone
from stitchline._identifiers import Cleaner
from stitchline.testing import RecordingClient

VECTORS = json.loads(
    (Path(__file__).parents[2] / "sdk/spec/vectors/hashing.json").read_text(encoding="utf-8")
)


def cleaned(namespace: str, value: object, *, hashed: bool = True, region: str | None = None) -> Any:
    refused: list[object] = []
    cleaner = Cleaner(hash_contacts=hashed, default_region=region, refuse=lambda *what: refused.append(what))
    who = cleaner.clean(None, None, None, {namespace: value})
    return who.get(namespace, "refused" if refused else None)


@pytest.fixture(params=["with phonenumbers", "without phonenumbers"])
def phone_package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without phonenumbers":
        monkeypatch.setitem(sys.modules, "phonenumbers", None)


@pytest.mark.usefixtures("phone_package")
@pytest.mark.parametrize("namespace", ["email", "phone"])
def test_contacts_become_the_hash_of_their_one_spelling(namespace: str) -> None:
    for vector in VECTORS[namespace]["accepted"]:
        assert cleaned(namespace, vector["input"], hashed=False) == vector["normalised"], vector
        assert cleaned(namespace, vector["input"]) == vector["sha256"], vector


@pytest.mark.parametrize("namespace", ["email", "phone"])
def test_somebody_elses_hash_is_kept_in_lower_case(namespace: str) -> None:
    for vector in VECTORS[namespace]["hashed"]:
        assert cleaned(namespace, vector["input"]) == vector["sha256"]
        assert cleaned(namespace, vector["input"], hashed=False) == vector["sha256"]


@pytest.mark.usefixtures("phone_package")
@pytest.mark.parametrize("namespace", ["email", "phone"])
def test_what_names_nobody_is_refused(namespace: str) -> None:
    for value in VECTORS[namespace]["refused"]:
        assert cleaned(namespace, value) == "refused", value


def test_a_national_number_needs_its_region() -> None:
    for vector in VECTORS["phone"]["needs_region"]:
        assert cleaned("phone", vector["input"], region=vector["default_region"]) == vector["sha256"]
        assert cleaned("phone", vector["input"]) == "refused"


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "null",
        "None",
        "undefined",
        "NaN",
        "guest",
        "[object Object]",
        "0",
        0,
        "000",
        uuid.UUID(int=0),
    ],
)
def test_a_login_that_names_nobody_is_no_identifier(value: Any) -> None:
    assert cleaned("user", value) == "refused"


def test_numbers_and_uuids_are_identifiers_by_their_text() -> None:
    known = uuid.UUID("018f2f2e-8d5b-7c3e-8d5b-0123456789ab")
    assert cleaned("user", 42) == "42"
    assert cleaned("user", known) == str(known)
    assert cleaned("loyalty", " L-7 ") == "L-7"


def test_none_claims_nothing_and_is_no_refusal() -> None:
    assert cleaned("user", None) is None


@given(st.text())
def test_normalising_an_address_twice_changes_nothing(text: str) -> None:
    once = normal_email(text)
    assert once is None or normal_email(once) == once


@given(st.text(alphabet="+0123456789 ()-./"))
def test_normalising_a_number_twice_changes_nothing(text: str) -> None:
    once = normal_phone(text)
    assert once is None or normal_phone(once) == once


def test_no_plain_contact_leaves_in_an_event() -> None:
    client = RecordingClient()
    client.track("order", email="alice@example.org", phone="+436641234567")
    sent = client.events[0].identifiers
    assert set(sent) == {"email", "phone"}
    assert all(len(value) == 64 for value in sent.values())


def test_a_refused_identifier_is_counted_and_its_event_goes_without_it() -> None:
    client = RecordingClient(debug=False)
    assert client.track("seen", user="null", email="alice@example.org")
    assert set(client.events[0].identifiers) == {"email"}
    assert client.losses == {"identifier_refused": 1}
